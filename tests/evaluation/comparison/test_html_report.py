"""The HTML report of a comparison, opened from disk in a real browser."""

import cv2
import numpy as np
import pytest

from lowlight_tf.evaluation.comparison import tables
from lowlight_tf.evaluation.comparison.html_report import html_report
from tests.evaluation.comparison.comparisons import make_comparison, make_model_result

FOUND = make_comparison(
    make_model_result("input", 8.0, 9.0, ms=0.01, level=0.0),
    make_model_result("tiny", 25.0, 24.0, ms=9.0, weights=80_000, bytes=180_780),
    make_model_result("<i>odd</i>", 17.0, None, ms=100.0, failed="no memory & no time"),
    make_model_result("lime", 16.0, float("inf"), ms=40.0, peak_mb=None),
)


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):
    """The page in a tab, with its requests and console messages."""
    path = tmp_path_factory.mktemp("page") / "night & day.html"
    path.write_text(
        html_report(FOUND, command="lowlight-tf compare", facts="here"), encoding="utf-8"
    )
    tab = browser().new_page(viewport={"width": 1000, "height": 700})
    tab.requests, tab.messages = [], []
    tab.on("request", lambda request: tab.requests.append(request.url))
    tab.on("console", lambda message: tab.messages.append(message.text))
    tab.on("pageerror", lambda error: tab.messages.append(str(error)))
    tab.goto(path.as_uri())
    return tab


def column_texts(tab, heading, table="means"):
    headings = tab.locator(f"#{table} thead button").all_inner_texts()
    index = headings.index(heading)
    return [
        row.locator("td, th").nth(index).inner_text()
        for row in tab.locator(f"#{table} tbody tr").all()
    ]


def source_urls(tab):
    return tab.evaluate("[...document.querySelectorAll('[src]')].map(one => one.src)")


def test_no_external_resources_are_loaded(tab):
    assert tab.requests == [tab.url]
    assert tab.evaluate("performance.getEntriesByType('resource').length") == 0
    assert {url[:11] for url in source_urls(tab)} == {"data:image/"}
    assert tab.evaluate("[...document.images].every(one => one.complete && one.naturalWidth)")
    assert tab.messages == []  # nothing was refused either


def test_the_content_security_policy_forbids_external_resources_and_scripts(tab):
    refused = tab.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener("securitypolicyviolation", e => resolve(e.blockedURI));
            document.body.insertAdjacentHTML("beforeend", "<img src='http://127.0.0.1:9/a.png'>");
        })"""
    )
    assert refused == "http://127.0.0.1:9/a.png"
    tab.evaluate("document.body.lastElementChild.remove()")
    tab.messages.clear()


def test_the_tables_equal_those_of_csv_and_markdown(tab):
    for name, (head, rows) in {
        "means": tables.means(FOUND),
        "each": tables.per_image_table(FOUND),
    }.items():
        assert tab.locator(f"#{name} thead button").all_text_contents() == head
        displayed = [
            row.locator("td, th").all_text_contents()
            for row in tab.locator(f"#{name} tbody tr").all()
        ]
        assert displayed == rows


def test_a_click_on_a_heading_sorts_and_a_second_click_reverses_the_order(tab):
    button = tab.get_by_role("button", name="PSNR dB (plain)").first
    button.click()
    assert column_texts(tab, "PSNR dB (plain)") == [
        "inf",
        "24.50",
        "17.00",
        "8.50",
    ]  # the best first
    assert tab.locator("#means th[aria-sort]").get_attribute("aria-sort") == "descending"
    button.press("Enter")
    assert column_texts(tab, "model") == ["input", "<i>odd</i>", "tiny", "lime"]
    tab.get_by_role("button", name="bytes").click()
    assert column_texts(tab, "bytes") == ["180,780", "-", "-", "-"]
    tab.get_by_role("button", name="peak MB").click()
    tab.get_by_role("button", name="peak MB").click()
    assert column_texts(tab, "peak MB")[-1] == "-"  # missing numbers are last
    tab.get_by_role("button", name="model").first.click()
    assert column_texts(tab, "model") == sorted(column_texts(tab, "model"), key=str.lower)
    assert tab.locator("#means th[aria-sort]").count() == 1


def take_screenshot(stage):
    data = np.frombuffer(stage.screenshot(), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def test_a_slider_is_moved_by_mouse_and_keys_and_reveals_more_of_one_image(tab):
    stage = tab.locator(".stage").nth(1)  # black before, white by the model
    slider = stage.get_by_role("slider")
    middle = take_screenshot(stage)
    height, width = middle.shape
    assert middle[height // 2, width // 4] < 10
    assert middle[height // 2, 3 * width // 4] > 245
    box = stage.bounding_box()
    tab.mouse.move(box["x"] + width / 2, box["y"] + height / 2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.9 * width, box["y"] + height / 2, steps=3)
    tab.mouse.up()
    assert 85 <= int(slider.input_value()) <= 95
    assert take_screenshot(stage)[height // 2, 3 * width // 4] < 10
    slider.press("Home")
    slider.press("ArrowRight")
    assert slider.input_value() == "1"
    assert take_screenshot(stage)[height // 2, width // 4] > 245
    assert "tiny" in slider.get_attribute("aria-label")


def test_every_image_has_a_slider_for_each_model_that_did_not_fail(tab):
    for row in tab.locator("article").all():
        name = row.locator("h3").inner_text()
        failed = row.locator(".failed")
        assert row.get_by_role("slider").count() + failed.count() == len(FOUND.model_results)
        assert row.locator(".difference").count() == row.locator(".histogram").count()
        assert failed.count() == (name == "p1")
    assert "<i>odd</i> failed: no memory & no time" in failed.inner_text()
    assert "p1: no memory & no time" in tab.locator("header li").inner_text()


def test_the_left_image_can_be_selected(tab):
    tab.get_by_label("Left of the sliders").select_option("target")
    lefts = tab.locator(".left").all()
    assert {one.get_attribute("alt") for one in lefts} == {"p0, target", "p1, target"}
    stage = tab.locator(".stage").nth(1)
    stage.get_by_role("slider").press("End")
    gray = take_screenshot(stage)
    assert abs(float(gray[gray.shape[0] // 2, gray.shape[1] // 4]) - 128) < 4
    tab.get_by_label("Left of the sliders").select_option("before")


def test_a_plot_has_a_dot_for_each_model_except_the_unchanged_input(tab):
    titles = tab.locator(".pareto .dot title").all_text_contents()
    assert titles == [
        "tiny: 24.5, 9.5 ms",
        "<i>odd</i>: 17, 100 ms",
    ]  # infinite values are not plotted
    assert tab.locator(".pareto .baseline").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast_in_light_and_dark_mode(tab, scheme):
    tab.emulate_media(color_scheme=scheme)
    colors = tab.evaluate(
        """() => ["body", "p", ".wrong", "figcaption", "a", ".key.result"].map(which => {
            let one = document.querySelector(which), paper = one;
            const read = color => color.match(/[\\d.]+/g).slice(0, 4).map(Number);
            while (read(getComputedStyle(paper).backgroundColor)[3] === 0) {
              paper = paper.parentElement;
            }
            return [one, paper].map((it, back) =>
              read(getComputedStyle(it)[back ? "backgroundColor" : "color"]).slice(0, 3));
        })"""
    )
    for ink, paper in colors:
        light, dark = sorted(map(luminance, (ink, paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.1, AA
    assert (luminance(colors[0][1]) > 0.5) == (scheme == "light")


def luminance(color):
    linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_image_has_an_alternative_text(tab):
    assert tab.evaluate("[...document.images].every(one => one.alt)")
    assert tab.evaluate("[...document.querySelectorAll('svg')].every(one => one.ariaLabel)")
