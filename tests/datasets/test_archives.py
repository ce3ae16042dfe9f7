"""An archive is unpacked completely and inside its folder, or not at all."""

import errno
import io
import stat
import tarfile
import zipfile

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import archives
from lowlight_tf.datasets.archives import extract_archive

FILES = {"our485/low/1.png": b"dark", "our485/high/1.png": b"bright", "readme.txt": b"hello"}


def write_zip(path, files, *, links=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
        for name in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(info, "/etc/passwd")
    return path


def write_tar(path, files, *, odd=()):
    with tarfile.open(path, "w:gz") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
        for name, kind in odd:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../secret"
            file.addfile(info)
    return path


def assert_rejected(archive, folder, reason):
    """Unpacking raises for a reason, and leaves no files."""
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(UsageError, match=reason):
        extract_archive(archive, folder)
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_all_files_are_unpacked(tmp_path, write):
    archive, folder = write(tmp_path / "a", FILES), tmp_path / "new" / "lol"
    paths = extract_archive(archive, folder)
    assert {str(path.relative_to(folder)): path.read_bytes() for path in paths} == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["lol"]


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/out.png", "..\\out.png", "C:\\out.png"]
)
def test_a_member_outside_the_folder_is_rejected(tmp_path, write, name):
    archive = write(tmp_path / "a", {**FILES, name: b"evil"})
    assert_rejected(archive, tmp_path / "lol", "would be written outside")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_rejected(tmp_path, kind):
    archive = write_tar(tmp_path / "a", FILES, odd=[("our485/2.png", kind)])
    assert_rejected(archive, tmp_path / "lol", r"neither file nor folder: 'our485/2\.png'")


def test_links_in_a_zip_are_rejected(tmp_path):
    archive = write_zip(tmp_path / "a", FILES, links=["our485/2.png"])
    assert_rejected(archive, tmp_path / "lol", r"neither file nor folder: 'our485/2\.png' \(link\)")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_damaged_archive_leaves_no_files(tmp_path, rng, write):
    archive = write(tmp_path / "a", {"readme.txt": b"hello", "our485/1.png": rng.bytes(100_000)})
    data = bytearray(archive.read_bytes())
    data[50_000:50_100] = bytes(100)
    archive.write_bytes(data)
    assert_rejected(archive, tmp_path / "lol", "cannot be unpacked")


def test_a_truncated_tar_leaves_no_files(tmp_path, rng):
    archive = write_tar(tmp_path / "a", {"a.png": b"first", "b.png": rng.bytes(100_000)})
    archive.write_bytes(archive.read_bytes()[:50_000])
    assert_rejected(archive, tmp_path / "lol", "cannot be unpacked")


def test_a_file_that_is_no_archive_is_rejected(tmp_path):
    (tmp_path / "a").write_text("<html>Sign in to download</html>")
    assert_rejected(tmp_path / "a", tmp_path / "lol", "neither a zip nor a tar")


def test_an_archive_without_files_is_rejected(tmp_path):
    assert_rejected(write_zip(tmp_path / "a", {}), tmp_path / "lol", "holds no files")


def test_existing_files_are_not_replaced(tmp_path):
    folder = tmp_path / "lol"
    (folder / "our485" / "low").mkdir(parents=True)
    (folder / "our485" / "low" / "1.png").write_bytes(b"mine")
    assert_rejected(write_zip(tmp_path / "a", FILES), folder, r"1\.png exists already")
    assert (folder / "our485" / "low" / "1.png").read_bytes() == b"mine"


def test_files_are_added_to_an_existing_folder(tmp_path):
    folder = tmp_path / "lol"
    extract_archive(write_zip(tmp_path / "a", {"eval15/1.png": b""}), folder)
    extract_archive(write_zip(tmp_path / "b", FILES), folder)
    assert {path.name for path in folder.iterdir()} == {"eval15", "our485", "readme.txt"}


def test_folders_above_the_expected_ones_are_stripped(tmp_path):
    archive = write_zip(tmp_path / "a", {f"LOLdataset/x/{name}": b"" for name in FILES})
    extract_archive(archive, tmp_path / "lol", root_folders={"our485", "eval15"})
    assert (tmp_path / "lol" / "our485" / "low" / "1.png").is_file()


def test_an_archive_without_the_expected_folders_is_rejected(tmp_path):
    archive = write_zip(tmp_path / "a", {"cats/1.png": b""})
    with pytest.raises(UsageError, match="none of the expected folders: eval15, our485"):
        extract_archive(archive, tmp_path / "lol", root_folders={"our485", "eval15"})
    assert not (tmp_path / "lol").exists()


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_interrupted_unpacking_is_resumed(tmp_path, monkeypatch, write):
    archive, folder = write(tmp_path / "a", FILES), tmp_path / "lol"
    copy, written = archives.shutil.copyfileobj, []

    def interrupt_second(source, target, length):
        if len(written) == 1:
            target.write(b"half of")
            raise KeyboardInterrupt
        written.append(target.name)
        copy(source, target, length)

    with monkeypatch.context() as patch:
        patch.setattr(archives.shutil, "copyfileobj", interrupt_second)
        with pytest.raises(KeyboardInterrupt):
            extract_archive(archive, folder)
    assert not folder.exists()
    again = []
    monkeypatch.setattr(
        archives.shutil, "copyfileobj", lambda *args: (again.append(args[1].name), copy(*args))
    )
    paths = extract_archive(archive, folder)
    assert {str(path.relative_to(folder)): path.read_bytes() for path in paths} == FILES
    assert len(again) == len(FILES) - 1
    assert {path.name for path in tmp_path.iterdir()} == {"a", "lol"}


def test_files_of_another_archive_are_not_resumed_from(tmp_path):
    left = tmp_path / ".lol.5-5.unpacking" / "our485" / "low"
    left.mkdir(parents=True)
    (left / "1.png").write_bytes(b"evil")  # as long as "dark"
    extract_archive(write_zip(tmp_path / "a", FILES), tmp_path / "lol")
    assert (tmp_path / "lol" / "our485" / "low" / "1.png").read_bytes() == b"dark"
    assert not left.exists()


def test_unpacking_is_resumed_after_the_disk_was_full(tmp_path, monkeypatch):
    archive, folder = write_zip(tmp_path / "a", FILES), tmp_path / "lol"

    def raise_disk_full(source, target, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(archives.shutil, "copyfileobj", raise_disk_full)
        with pytest.raises(
            UsageError, match=r"disk of .* is full\. Free some space and run the same"
        ):
            extract_archive(archive, folder)
    assert len(extract_archive(archive, folder)) == len(FILES)
