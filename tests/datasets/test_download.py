"""An interrupted download is resumed, and verified before it gets its name."""

import hashlib

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.download import download_file


@pytest.fixture
def digest(server):
    return hashlib.sha256(server.content).hexdigest()


def test_a_file_is_downloaded_completely(server, digest, tmp_path):
    reports = []
    path = tmp_path / "new" / "pets.zip"
    download_file(
        server.url, path, sha256=digest.upper(), progress=lambda *state: reports.append(state)
    )
    assert path.read_bytes() == server.content
    assert reports[-1] == (len(server.content), len(server.content))
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupted_transfer_is_resumed(server, digest, tmp_path):
    path = tmp_path / "pets.zip"
    server.max_bytes = 1000
    with pytest.raises(
        UsageError, match=r"was interrupted after 1000 bytes.*Run the same command again"
    ):
        download_file(server.url, path, sha256=digest)
    assert not path.exists()
    server.max_bytes = None
    download_file(server.url, path, sha256=digest)
    assert server.requests == [None, "bytes=1000-"]
    assert path.read_bytes() == server.content
    assert not (tmp_path / "pets.zip.part").exists()


def test_without_range_support_all_is_downloaded_again(server, digest, tmp_path):
    (tmp_path / "pets.zip.part").write_bytes(server.content[:1000])
    server.supports_range = False
    download_file(server.url, tmp_path / "pets.zip", sha256=digest)
    assert server.requests == ["bytes=1000-"]
    assert (tmp_path / "pets.zip").read_bytes() == server.content


def test_a_complete_part_is_accepted(server, digest, tmp_path):
    (tmp_path / "pets.zip.part").write_bytes(server.content)
    download_file(server.url, tmp_path / "pets.zip", sha256=digest)
    assert (tmp_path / "pets.zip").read_bytes() == server.content


def test_a_part_that_is_too_long_is_downloaded_again(server, digest, tmp_path):
    (tmp_path / "pets.zip.part").write_bytes(server.content + b"of an older file")
    download_file(server.url, tmp_path / "pets.zip", sha256=digest)
    assert (tmp_path / "pets.zip").read_bytes() == server.content


def test_a_wrong_checksum_leaves_no_file(server, digest, tmp_path):
    with pytest.raises(UsageError, match=rf"must be {'0' * 64}\. Received: {digest}"):
        download_file(server.url, tmp_path / "pets.zip", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_another_file_is_removed(server, digest, tmp_path):
    (tmp_path / "pets.zip.part").write_bytes(b"of an older file")
    with pytest.raises(UsageError, match="is not the expected file"):
        download_file(server.url, tmp_path / "pets.zip", sha256=digest)
    download_file(server.url, tmp_path / "pets.zip", sha256=digest)
    assert (tmp_path / "pets.zip").read_bytes() == server.content


def test_an_existing_file_is_not_downloaded_again(server, digest, tmp_path):
    path = tmp_path / "pets.zip"
    path.write_bytes(server.content)
    download_file(server.url, path, sha256=digest)
    assert server.requests == []
    with pytest.raises(UsageError, match="is not the expected file"):
        download_file(server.url, path, sha256="0" * 64)


def test_a_missing_url_is_reported(server, tmp_path):
    with pytest.raises(UsageError, match=r"gone\.zip answers 404 .+ moved\.$"):
        download_file(server.url.replace("pets", "gone"), tmp_path / "a.zip", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server_is_reported(tmp_path):
    with pytest.raises(UsageError, match="was interrupted after 0 bytes"):
        download_file("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", sha256="0" * 64)


def test_only_http_is_accepted(tmp_path):
    with pytest.raises(UsageError, match="must begin with http"):
        download_file("file:///etc/passwd", tmp_path / "a.zip", sha256="0" * 64)
