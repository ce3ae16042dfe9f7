"""LiteRT.js is downloaded once, by npm if installed, and verified by checksum."""

import os
import shutil
import urllib.request

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.demo import litertjs

CORE, LOADER = litertjs.PACKAGES


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Return a function that makes a script the only program on the PATH, called npm."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def write_script(script):
        (programs / "npm").write_text(f"#!/bin/sh\n{script}\n")
        os.chmod(programs / "npm", 0o755)

    return write_script


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(litertjs, "REGISTRY", "http://127.0.0.1:9")


def test_an_archive_with_another_checksum_is_refused(tmp_path):
    (tmp_path / CORE.archive).write_bytes(b"something else")
    with pytest.raises(UsageError, match=r"litertjs-core-2\.5\.3\.tgz is not the expected file"):
        litertjs.download(tmp_path)


def test_an_archive_from_npm_is_verified_before_it_is_kept(npm, tmp_path):
    npm(f'echo "something else" > {CORE.archive}')
    with pytest.raises(UsageError, match="is not the expected file"):
        litertjs.download(tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_an_error_of_npm_is_reported_with_a_remedy(npm, tmp_path):
    npm('echo "code E404" >&2; exit 1')
    with pytest.raises(UsageError, match=r"npm pack failed: code E404\.") as raised:
        litertjs.download(tmp_path / "kept")
    assert "run `npm pack @litertjs/core@2.5.3`; copy litertjs-core-2.5.3.tgz into" in str(
        raised.value
    )


def test_without_npm_the_public_registry_is_used(tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"@litertjs/core/-/core-2\.5\.3\.tgz was interrupted"):
        litertjs.download(tmp_path / "kept")


def test_existing_archives_are_not_downloaded_again(tmp_path, monkeypatch, no_network):
    cache_dir = litertjs.cache_dir()
    try:
        litertjs.download(cache_dir)
    except UsageError as error:
        pytest.skip(f"LiteRT.js cannot be downloaded: {error}")
    for package in litertjs.PACKAGES:
        shutil.copy(cache_dir / package.archive, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", None)
    messages = []
    litertjs.download(tmp_path, report=messages.append)
    assert messages == []
    files = litertjs.read_served_files(tmp_path)
    assert sorted({name.rpartition("/")[2].partition(".")[0] for name in files}) == [
        "index",
        "litert_wasm_compat_internal",
        "litert_wasm_internal",
        "litert_wasm_threaded_internal",
    ]
    assert files["core/wasm/litert_wasm_internal.wasm"].startswith(b"\0asm")
