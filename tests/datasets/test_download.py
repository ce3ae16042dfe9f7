"""A download goes on where it broke off and is proven before it counts."""

import hashlib

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.download import download_file


@pytest.fixture
def digest(site):
    return hashlib.sha256(site.content).hexdigest()


def test_a_file_arrives_whole(site, digest, tmp_path):
    told = []
    path = tmp_path / "new" / "pets.zip"
    download_file(site.url, path, sha256=digest.upper(), progress=lambda *state: told.append(state))
    assert path.read_bytes() == site.content
    assert told[-1] == (len(site.content), len(site.content))
    assert list(path.parent.iterdir()) == [path]


def test_a_broken_transfer_goes_on_where_it_broke_off(site, digest, tmp_path):
    path = tmp_path / "pets.zip"
    site.breaks_after = 1000
    with pytest.raises(UsageError, match=r"broke off after 1000 bytes.*Run the same command again"):
        download_file(site.url, path, sha256=digest)
    assert not path.exists()
    site.breaks_after = None
    download_file(site.url, path, sha256=digest)
    assert site.asked == [None, "bytes=1000-"]
    assert path.read_bytes() == site.content
    assert not (tmp_path / "pets.zip.part").exists()


def test_a_server_without_range_sends_all_again(site, digest, tmp_path):
    (tmp_path / "pets.zip.part").write_bytes(site.content[:1000])
    site.ranges = False
    download_file(site.url, tmp_path / "pets.zip", sha256=digest)
    assert site.asked == ["bytes=1000-"]
    assert (tmp_path / "pets.zip").read_bytes() == site.content


def test_a_part_that_is_whole_already_is_taken(site, digest, tmp_path):
    (tmp_path / "pets.zip.part").write_bytes(site.content)
    download_file(site.url, tmp_path / "pets.zip", sha256=digest)
    assert (tmp_path / "pets.zip").read_bytes() == site.content


def test_a_part_that_is_too_long_is_begun_again(site, digest, tmp_path):
    (tmp_path / "pets.zip.part").write_bytes(site.content + b"of an older file")
    download_file(site.url, tmp_path / "pets.zip", sha256=digest)
    assert (tmp_path / "pets.zip").read_bytes() == site.content


def test_a_wrong_checksum_leaves_nothing(site, digest, tmp_path):
    with pytest.raises(UsageError, match=rf"must be {'0' * 64}\. Received: {digest}"):
        download_file(site.url, tmp_path / "pets.zip", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_part_is_not_kept(site, digest, tmp_path):
    (tmp_path / "pets.zip.part").write_bytes(b"of an older file")
    with pytest.raises(UsageError, match="is not the expected file"):
        download_file(site.url, tmp_path / "pets.zip", sha256=digest)
    download_file(site.url, tmp_path / "pets.zip", sha256=digest)
    assert (tmp_path / "pets.zip").read_bytes() == site.content


def test_what_is_there_is_not_fetched_again(site, digest, tmp_path):
    path = tmp_path / "pets.zip"
    path.write_bytes(site.content)
    download_file(site.url, path, sha256=digest)
    assert site.asked == []
    with pytest.raises(UsageError, match="is not the expected file"):
        download_file(site.url, path, sha256="0" * 64)


def test_an_address_that_is_gone_is_named(site, tmp_path):
    with pytest.raises(UsageError, match=r"gone\.zip answers 404 .+ moved\.$"):
        download_file(site.url.replace("pets", "gone"), tmp_path / "a.zip", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_an_error_of_one_line(tmp_path):
    with pytest.raises(UsageError, match="broke off after 0 bytes"):
        download_file("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", sha256="0" * 64)


def test_only_the_web_is_fetched_from(tmp_path):
    with pytest.raises(UsageError, match="http"):
        download_file("file:///etc/passwd", tmp_path / "a.zip", sha256="0" * 64)
