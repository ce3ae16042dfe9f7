"""Tables contain the protocol of every number."""

from lowlight_tf.evaluation import results_table
from lowlight_tf.evaluation.results import Results, Score


def make_results(model, protocol, *values, data="lol"):
    scores = (Score(f"p{i}", {"psnr": v, "ssim": v / 100}, 4.0) for i, v in enumerate(values))
    return Results(model, protocol, tuple(scores), data)


def test_a_model_has_one_row_and_each_protocol_its_own_columns():
    found = [
        make_results("net", "plain", 20.0, 21.0),
        make_results("net", "luma", 22.0, 23.5),
        make_results("in|put", "plain", 8.0, float("inf")),
    ]
    assert results_table.results_table(found).splitlines() == [
        "| model   | data | images | PSNR dB (plain) | SSIM (plain) | PSNR dB (luma) "
        "| SSIM (luma) | ms per image |",
        "| ------- | ---- | -----: | --------------: | -----------: | -------------: "
        "| ----------: | -----------: |",
        "| net     | lol  |      2 |           20.50 |       0.2050 |          22.75 "
        "|      0.2275 |          4.0 |",
        "| in\\|put | lol  |      2 |             inf |          inf |              - "
        "|           - |          4.0 |",
    ]


def test_costs_are_columns_next_to_the_metrics():
    scores = tuple(Score("p", {"psnr": 20.0}, 4.0, work) for work in (50_000_000, 10**9, 2 * 10**9))
    model = Results("net", "plain", scores, "lol", None, 1_234_567)
    head, _, *rows = results_table.results_table(
        [make_results("input", "plain", 8.0), model]
    ).splitlines()
    assert head.split(" | ")[-3:] == [
        "  weights",
        "G multiply-adds per image",
        "ms per image |",
    ]
    assert rows[0].split()[-6:-1:2] == ["-", "-", "4.0"]
    assert rows[1].split()[-6:-1:2] == ["1,234,567", "1.000", "4.0"]


def test_each_dataset_has_its_own_row():
    lines = results_table.results_table(
        [make_results("net", "plain", 20.0), make_results("net", "plain", 9.0, data="sice")]
    )
    assert [line.split()[3] for line in lines.splitlines()[2:]] == ["lol", "sice"]


def test_the_per_image_table_has_a_row_for_every_image():
    lines = results_table.per_image_table(
        [make_results("net", "plain", 20.0, 21.0), make_results("net", "luma", 22.0, 23.0)]
    )
    assert [line.split()[1::2] for line in lines.splitlines()[2:]] == [
        ["net", "p0", "20.00", "0.2000", "22.00", "0.2200"],
        ["net", "p1", "21.00", "0.2100", "23.00", "0.2300"],
    ]


def test_no_reference_metrics_have_one_column_and_missing_values_are_dashes():
    alone = [
        Results("net", protocol, (Score("p0", {"niqe": 5.0, "glare": float("nan")}, 4.0),), "night")
        for protocol in ("plain", "luma")
    ]
    head, _, row = results_table.results_table(alone).splitlines()
    assert head.split(" | ")[3:-1] == ["NIQE", "GLARE"]
    assert row.split()[7:10:2] == ["5.00", "-"]
    assert results_table.caption(alone[0].scores[0]) == "niqe 5.00  glare -"


def test_images_of_the_same_name_in_two_datasets_have_two_rows():
    both = [make_results("net", "plain", 20.0), make_results("net", "plain", 9.0, data="sice")]
    assert len(results_table.per_image_table(both).splitlines()) == 4


def test_the_saved_table_contains_its_command(tmp_path):
    found = [make_results("net", "plain", 20.0)]
    results_table.save(tmp_path / "table.md", found, command="lowlight-tf evaluate --model net")
    text = (tmp_path / "table.md").read_text()
    assert text == results_table.results_table(found) + "\n`lowlight-tf evaluate --model net`\n"
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]
