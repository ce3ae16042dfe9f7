"""`lowlight-tf compare` writes an HTML report, and its numbers as CSV and Markdown."""

import csv
import shutil

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.imaging import image_io


def write_image(path, pixels, *, gray=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.save_image(path, image_io.LoadedImage(pixels, gray=gray))


@pytest.fixture
def folder(tmp_path, rng):
    """Two pairs of 24x30 pixels."""
    for name in ("a", "b"):
        low = rng.integers(0, 60, (24, 30, 3), dtype=np.uint8)
        write_image(tmp_path / "pairs" / "low" / f"{name}.png", low)
        write_image(tmp_path / "pairs" / "high" / f"{name}.png", 3 * low)
    return tmp_path / "pairs"


def table_cells(tab, table):
    rows = tab.locator(f"#{table} tbody tr").all()
    return [row.locator("td, th").all_text_contents() for row in rows]


@pytest.mark.slow
def test_page_csv_and_markdown_contain_the_same_numbers(folder, tmp_path, browser, capsys):
    output = tmp_path / "out" / "night.html"
    output.parent.mkdir()
    words = [str(folder), "--models=input,gamma", "--metrics=psnr,ssim", "--protocol=plain,luma"]
    assert main(["compare", *words, f"--output={output}"]) == 0
    assert sorted(path.name for path in output.parent.iterdir()) == [
        *("night.csv", "night.html", "night.md")
    ]
    text = output.with_suffix(".md").read_text()
    tab = browser().new_page()
    tab.goto(output.as_uri())
    heads = tab.locator("#means thead button").all_text_contents()
    assert heads[2:6] == ["PSNR dB (plain)", "SSIM (plain)", "PSNR dB (luma)", "SSIM (luma)"]
    means, each = table_cells(tab, "means"), table_cells(tab, "each")
    assert [row[0] for row in means] == ["input", "gamma"]
    assert [row[:2] for row in each] == [[m, p] for m in ("input", "gamma") for p in "ab"]
    table_rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert all(row in table_rows for row in [heads, *means, *each])
    with output.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = [dict(zip(heads, row, strict=True)) for row in means]
    for row, same in zip(rows, wanted, strict=False):
        assert {name: row[name] for name in heads} == {
            name: cell.replace("-", "").replace(",", "") for name, cell in same.items()
        }
    assert [row["PSNR dB (luma)"] for row in rows[2:]] == [row[4] for row in each]
    assert tab.locator("footer code").inner_text() in text
    assert f"lowlight-tf compare {folder} --models input gamma" in text
    links = [a.get_attribute("href") for a in tab.locator("a").all()]
    assert links == ["night.csv", "night.md"]
    assert f"{output}: the report" in capsys.readouterr().out


@pytest.mark.slow
def test_a_damaged_image_is_reported_and_left_out_and_the_others_are_measured(
    folder, tmp_path, capsys
):
    path = folder / "low" / "b.png"
    path.write_bytes(path.read_bytes()[:60])
    output = tmp_path / "page.html"
    words = [str(folder), "--models=input", "--metrics=mae", f"--output={output}"]
    assert main(["compare", *words]) == 1
    captured = capsys.readouterr()
    assert "| input | 1 |" in " ".join(captured.out.split())
    assert f"compare: {path} is truncated" in captured.err
    assert "1 of 2 pairs cannot be read and are left out" in captured.err
    assert ",b," not in output.with_suffix(".csv").read_text()


@pytest.mark.slow
def test_images_without_targets_are_measured_by_no_reference_metrics(folder, tmp_path, capsys):
    words = ["--models=input", f"--output={tmp_path / 'page.html'}"]
    assert main(["compare", str(folder / "low"), *words]) == 0
    assert "NIQE | LOE | BRIGHTNESS |" in capsys.readouterr().out
    assert "difference from the input" in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_both_camera_images_precede_the_fused_results(tmp_path, rng, capsys):
    for side in ("visible", "infrared"):
        image = rng.integers(0, 256, (44, 55, 1), dtype=np.uint8).repeat(3, axis=2)
        write_image(tmp_path / "cameras" / side / "a.png", image, gray=side == "infrared")
    words = [str(tmp_path / "cameras"), "--models=average,visible", "--pictures=1"]
    assert main(["compare", *words, f"--output={tmp_path / 'page.html'}"]) == 0
    assert "ENTROPY bits | MUTUAL_INFORMATION bits |" in capsys.readouterr().out
    text = (tmp_path / "page.html").read_text()
    assert all(f'data-of="{name}"' in text for name in ("visible", "infrared", "average"))


@pytest.mark.slow
def test_training_curves_of_a_run_are_included(folder, tmp_path):
    pytest.importorskip("matplotlib")
    run = tmp_path / "first run"
    run.mkdir()
    rows = ["step,epoch,loss,val_psnr,val_ssim", "10,1,0.5,17.0,0.6", "20,2,0.4,18.5,0.7"]
    (run / "history.csv").write_text("\n".join(rows) + "\n")
    output = tmp_path / "page.html"
    words = [str(folder), "--models=input", "--metrics=mae", f"--output={output}", "--pictures=0"]
    assert main(["compare", *words, "--runs", str(run)]) == 0
    text = output.read_text()
    assert "first run: best validation PSNR 18.50 dB" in text
    assert "data:image/svg+xml;base64," in text
    assert "data:image/webp" not in text  # --pictures=0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--models": "input,clahee"}, "clahe"),
        ({"--models": ","}, "at least one"),
        ({"--output": "page.txt"}, "must end in .html"),
        ({"--output": "no/such/page.html"}, "no/such"),
        ({"--metrics": "psnrr"}, "Known: psnr"),
        ({"--protocol": "gtmean"}, "Known: gt_mean"),
        ({"--width": "2"}, "width=2"),
        ({"--runs": "no/such/run"}, "no/such/run"),
        ({"--models": "input,attention_unet_classic"}, "attention_unet_classic"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(change, message, folder, tmp_path, capsys):
    output = tmp_path / "out"
    output.mkdir()
    flags = {"--models": "input", "--output": str(output / "page.html"), **change}
    assert main(["compare", str(folder), *(word for flag in flags.items() for word in flag)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not list(output.iterdir())


def test_a_path_without_images_is_reported(tmp_path, folder, capsys):
    shutil.rmtree(folder / "high")
    for path in (folder / "low").iterdir():
        path.write_bytes(b"no image")
    for data, message in ((tmp_path / "none", "none"), (folder, "a.png")):
        words = [str(data), "--models=input", f"--output={tmp_path / 'page.html'}"]
        assert main(["compare", *words]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
