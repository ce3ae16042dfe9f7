"""An archive is unpacked whole and inside its folder, or not at all."""

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


def zipped(path, files, *, links=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
        for name, content in files.items():
            box.writestr(name, content)
        for name in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            box.writestr(info, "/etc/passwd")
    return path


def tarred(path, files, *, odd=()):
    with tarfile.open(path, "w:gz") as box:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            box.addfile(info, io.BytesIO(content))
        for name, kind in odd:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../secret"
            box.addfile(info)
    return path


def refused(archive, folder, reason):
    """Unpacking is refused for a reason, and leaves the place as it was."""
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(UsageError, match=reason):
        extract_archive(archive, folder)
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_all_files_are_unpacked(tmp_path, pack):
    archive, folder = pack(tmp_path / "a", FILES), tmp_path / "new" / "lol"
    paths = extract_archive(archive, folder)
    assert {str(path.relative_to(folder)): path.read_bytes() for path in paths} == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["lol"]


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/out.png", "..\\out.png", "C:\\out.png"]
)
def test_a_member_that_would_land_outside_is_refused(tmp_path, pack, name):
    archive = pack(tmp_path / "a", {**FILES, name: b"evil"})
    refused(archive, tmp_path / "lol", "would land outside")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    archive = tarred(tmp_path / "a", FILES, odd=[("our485/2.png", kind)])
    refused(archive, tmp_path / "lol", r"neither file nor folder: 'our485/2\.png'")


def test_links_in_a_zip_are_refused(tmp_path):
    archive = zipped(tmp_path / "a", FILES, links=["our485/2.png"])
    refused(archive, tmp_path / "lol", r"neither file nor folder: 'our485/2\.png' \(link\)")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_damaged_archive_leaves_nothing(tmp_path, rng, pack):
    archive = pack(tmp_path / "a", {"readme.txt": b"hello", "our485/1.png": rng.bytes(100_000)})
    octets = bytearray(archive.read_bytes())
    octets[50_000:50_100] = bytes(100)
    archive.write_bytes(octets)
    refused(archive, tmp_path / "lol", "cannot be unpacked")


def test_a_truncated_tar_leaves_nothing(tmp_path, rng):
    archive = tarred(tmp_path / "a", {"a.png": b"first", "b.png": rng.bytes(100_000)})
    archive.write_bytes(archive.read_bytes()[:50_000])
    refused(archive, tmp_path / "lol", "cannot be unpacked")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a").write_text("<html>Sign in to download</html>")
    refused(tmp_path / "a", tmp_path / "lol", "neither a zip nor a tar")


def test_an_archive_without_files_is_refused(tmp_path):
    refused(zipped(tmp_path / "a", {}), tmp_path / "lol", "holds no files")


def test_files_that_are_there_are_not_replaced(tmp_path):
    folder = tmp_path / "lol"
    (folder / "our485" / "low").mkdir(parents=True)
    (folder / "our485" / "low" / "1.png").write_bytes(b"mine")
    refused(zipped(tmp_path / "a", FILES), folder, r"1\.png is there already")
    assert (folder / "our485" / "low" / "1.png").read_bytes() == b"mine"


def test_a_folder_is_added_to(tmp_path):
    folder = tmp_path / "lol"
    extract_archive(zipped(tmp_path / "a", {"eval15/1.png": b""}), folder)
    extract_archive(zipped(tmp_path / "b", FILES), folder)
    assert {path.name for path in folder.iterdir()} == {"eval15", "our485", "readme.txt"}


def test_what_leads_to_the_expected_folders_is_left_out(tmp_path):
    archive = zipped(tmp_path / "a", {f"LOLdataset/x/{name}": b"" for name in FILES})
    extract_archive(archive, tmp_path / "lol", root_folders={"our485", "eval15"})
    assert (tmp_path / "lol" / "our485" / "low" / "1.png").is_file()


def test_an_archive_of_something_else_is_refused(tmp_path):
    archive = zipped(tmp_path / "a", {"cats/1.png": b""})
    with pytest.raises(UsageError, match="none of the expected folders: eval15, our485"):
        extract_archive(archive, tmp_path / "lol", root_folders={"our485", "eval15"})
    assert not (tmp_path / "lol").exists()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_unpacking_that_was_interrupted_goes_on(tmp_path, monkeypatch, pack):
    archive, folder = pack(tmp_path / "a", FILES), tmp_path / "lol"
    copy, written = archives.shutil.copyfileobj, []

    def interrupted(source, target, length):
        if len(written) == 1:
            target.write(b"half of")
            raise KeyboardInterrupt
        written.append(target.name)
        copy(source, target, length)

    with monkeypatch.context() as patch:
        patch.setattr(archives.shutil, "copyfileobj", interrupted)
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


def test_what_another_archive_left_is_not_gone_on_with(tmp_path):
    left = tmp_path / ".lol.5-5.unpacking" / "our485" / "low"
    left.mkdir(parents=True)
    (left / "1.png").write_bytes(b"evil")  # as long as "dark"
    extract_archive(zipped(tmp_path / "a", FILES), tmp_path / "lol")
    assert (tmp_path / "lol" / "our485" / "low" / "1.png").read_bytes() == b"dark"
    assert not left.exists()


def test_a_full_disk_is_not_the_archives_fault(tmp_path, monkeypatch):
    archive, folder = zipped(tmp_path / "a", FILES), tmp_path / "lol"

    def full(source, target, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(archives.shutil, "copyfileobj", full)
        with pytest.raises(UsageError, match=r"disk of .* is full\. Make room and run the same"):
            extract_archive(archive, folder)
    assert len(extract_archive(archive, folder)) == len(FILES)
