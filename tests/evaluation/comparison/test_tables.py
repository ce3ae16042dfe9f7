"""The numbers of a comparison are the same as Markdown, as CSV and on the page."""

import csv
import io

from lowlight_tf.evaluation.comparison import tables
from tests.evaluation.comparison.comparisons import make_comparison, make_model_result


def test_each_model_has_a_row_of_metrics_and_costs():
    found = make_comparison(
        make_model_result("tiny", 20.0, 21.0, ms=4.0, weights=1234, bytes=56789, peak_mb=91.26),
        make_model_result("lime", 10.0, 11.0),
    )
    assert tables.means(found) == (
        ["model", "images", "PSNR dB (plain)", "NIQE", "ms per image", "bytes", "peak MB"],
        [
            ["tiny", "2", "20.50", "-", "4.5", "56,789", "91.3"],
            ["lime", "2", "10.50", "-", "4.5", "-", "80.0"],
        ],
    )


def test_failed_images_are_marked_and_excluded_from_the_mean():
    found = make_comparison(
        make_model_result("tiny", 20.0, None, 26.0, failed="no memory"),
        make_model_result("none", None, None, None, failed="no file"),
    )
    assert [row[:3] for row in tables.means(found)[1]] == [
        ["tiny", "2 of 3", "23.00"],
        ["none", "0 of 3", "-"],
    ]
    head, rows = tables.per_image_table(found)
    assert head == ["model", "image", "PSNR dB (plain)", "NIQE", "ms per image"]
    assert rows[:3] == [
        ["tiny", "p0", "20.00", "-", "4.0"],
        ["tiny", "p1", "failed", "failed", "failed"],
        ["tiny", "p2", "26.00", "-", "6.0"],
    ]
    assert "- tiny, p1: no memory" in tables.markdown_report(found)


def test_csv_contains_the_numbers_of_both_tables():
    found = make_comparison(
        make_model_result("tiny", 20.0, None, bytes=56789, failed="no memory, none")
    )
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(found))))
    mean, first, second = rows
    assert (mean["image"], mean["PSNR dB (plain)"], mean["bytes"]) == ("(mean)", "20.00", "56789")
    assert (mean["images"], mean["NIQE"], mean["peak MB"]) == ("1 of 2", "", "80.0")
    assert (first["image"], first["PSNR dB (plain)"], first["failure"]) == (
        "p0",
        "20.00",
        "",
    )
    assert (second["PSNR dB (plain)"], second["failure"]) == ("failed", "no memory, none")


def test_markdown_ends_with_the_command_that_reproduces_it():
    text = tables.markdown_report(
        make_comparison(make_model_result("tiny", 20.0)), command="lowlight-tf compare x"
    )
    assert text.startswith("# night\n\n| model | images |")
    assert text.endswith("\n`lowlight-tf compare x`\n")
    assert "## Failed" not in text
