"""`lowlight-tf download`, against a server on this machine."""

import hashlib
import io
import zipfile

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.datasets import dataset_card
from lowlight_tf.imaging import image_io
from tests.datasets.server import FileServer

CARD = """\
title = "Two images"
home = "https://example.org/pets"
paper = ""
terms = "CC0"
by_hand = "Ask the cat."
inputs = ["low"]
target = "high"
[splits.train]
[splits.test]
folder = "test"
"""


@pytest.fixture
def archive(tmp_path, rng):
    """The bytes of a zip file of two pairs, inside a root folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for side in ("low", "high"):
            for name in ("1.png", "2.png"):
                path = tmp_path / name
                image_io.write_float_rgb(path, rng.random((8, 9, 3), dtype=np.float32))
                file.writestr(f"pets-main/{side}/{name}", path.read_bytes())
                path.unlink()
    return buffer.getvalue()


@pytest.fixture
def server(archive, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FileServer(archive).run() as server:
        yield server


def write_card(tmp_path, text, *, url="", sha256=""):
    path = tmp_path / "pets.toml"
    entry = f'[[archives]]\nfile = "pets.zip"\nurl = "{url}"\nsha256 = "{sha256}"\n'
    path.write_text(text + entry, encoding="utf-8")
    return str(path)


def test_an_archive_is_downloaded_extracted_and_counted(server, archive, tmp_path, capsys):
    own = write_card(tmp_path, CARD, url=server.url, sha256=hashlib.sha256(archive).hexdigest())
    root = tmp_path / "data"
    server.max_bytes = 100
    assert main(["download", own, "--data-root", str(root)]) == 2
    assert "Run the same command again" in capsys.readouterr().err
    server.max_bytes = None
    assert main(["download", own, "--data-root", str(root)]) == 0
    output = capsys.readouterr()
    assert "terms  CC0" in output.out
    assert "train  2 pairs" in output.out
    assert "test   missing" in output.out
    assert output.err == ""  # no progress bar, for stderr is no terminal
    assert server.requests == [None, "bytes=100-"]
    assert [path.name for path in root.iterdir()] == ["pets"]
    assert len(dataset_card.get_dataset(own).pairs(root, "train")) == 2
    assert main(["download", own, "--data-root", str(root)]) == 0
    assert "exists already" in capsys.readouterr().out
    assert len(server.requests) == 2


def test_an_archive_with_a_wrong_checksum_is_not_extracted(server, tmp_path, capsys):
    own = write_card(tmp_path, CARD, url=server.url, sha256="0" * 64)
    assert main(["download", own, "--data-root", str(tmp_path / "data")]) == 2
    assert "is not the expected file" in capsys.readouterr().err
    assert list((tmp_path / "data").iterdir()) == []


def test_manual_downloads_are_explained(tmp_path, capsys):
    assert main(["download", "lol_v1", "--data-root", str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert "daooshee" in output.out
    assert "Google Drive" in output.err
    assert "--archive LOLdataset.zip" in output.err
    assert list(tmp_path.iterdir()) == []


def test_manually_downloaded_archives_are_extracted(archive, tmp_path, capsys):
    own = write_card(tmp_path, CARD, sha256=hashlib.sha256(archive).hexdigest())
    (tmp_path / "pets (1).zip").write_bytes(archive)
    command = ["download", own, "--data-root", str(tmp_path / "data"), "--archive"]
    assert main([*command, str(tmp_path / "pets (1).zip")]) == 0
    assert "4 files unpacked" in capsys.readouterr().out
    assert (tmp_path / "pets (1).zip").exists()
    (tmp_path / "other.zip").write_bytes(archive[:-1])
    assert main([*command, str(tmp_path / "other.zip")]) == 2
    assert "is not the expected file" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "missing.zip")]) == 2
    assert "a file that exists" in capsys.readouterr().err


def test_a_dataset_without_archive_is_reported(tmp_path, capsys):
    assert main(["download", "camvid", "--archive", str(tmp_path / "a.zip")]) == 2
    assert "ROOT/camvid/image" in capsys.readouterr().err


def test_check_distinguishes_the_images_of_the_card_from_others(archive, tmp_path, capsys):
    from lowlight_tf.datasets import checksums

    place = tmp_path / "data" / "pets"
    with zipfile.ZipFile(io.BytesIO(archive)) as buffer:
        buffer.extractall(tmp_path)
    place.parent.mkdir()
    (tmp_path / "pets-main").rename(place)
    known = checksums.hash_files((place / "low").iterdir())
    path = write_card(tmp_path, CARD + f'[splits.train.pixels]\nlow = "{known}"\n')
    command = ["download", path, "--data-root", str(place.parent), "--check"]
    assert main(command) == 0
    assert "train/low: 2 images, as on the card" in capsys.readouterr().out
    image_io.write_float_rgb(place / "low" / "1.png", np.zeros((8, 9, 3), np.float32))
    assert main(command) == 1
    output = capsys.readouterr().out
    assert "train/low: 2 images, NOT as on the card" in output
    assert "train/high: 2 images, of which the card has no checksum" in output


def test_an_unknown_dataset_is_refused_with_the_closest_match(capsys):
    assert main(["download", "lol_v3"]) == 2
    assert "Known: lol_v1" in capsys.readouterr().err


def test_raw_exposures_are_extracted_from_any_root_folder(tmp_path, capsys):
    path = tmp_path / "Sony2025.zip"
    names = ("short/00001_00_0.1s.ARW", "short/20001_00_0.1s.ARW", "long/00001_00_10s.ARW")
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(f"dataset/Sony/{name}", b"")
    root = tmp_path / "data"
    assert main(["download", "sid_sony", "--data-root", str(root), "--archive", str(path)]) == 0
    output = capsys.readouterr().out
    assert (root / "sid_sony" / "long" / "00001_00_10s.ARW").is_file()
    assert "train  1 pairs\n" in output
    assert "val    0 pairs\n  1 more lack their long exposure, such as 20001_00_0.1s.ARW" in output
    assert main(["download", "sid_sony", "--data-root", str(root), "--check"]) == 1
    assert "train/names: 1 images, NOT as on the card, which has 1865" in capsys.readouterr().out


def test_see_in_the_dark_is_a_manual_download(tmp_path, capsys):
    assert main(["download", "sid_fuji", "--data-root", str(tmp_path)]) == 1
    output = capsys.readouterr().err
    assert "download it once, by hand" in output
    assert "--archive Fuji2025.zip" in output


def test_scenes_in_common_with_another_dataset_are_reported(tmp_path, capsys):
    assert main(["download", "lol_v2_real", "--data-root", str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert "shows scenes of lol_v1" in output.out
    assert "Real_captured/Train/Low" in output.err
