"""LiteRT.js is fetched once, by npm where it is, and nothing but its known bytes is taken."""

import os
import shutil
import urllib.request

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.demo import litertjs

CORE, LOADER = litertjs.PACKAGES


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Return what puts a program called npm, and no other, on the PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def written(script):
        (programs / "npm").write_text(f"#!/bin/sh\n{script}\n")
        os.chmod(programs / "npm", 0o755)

    return written


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(litertjs, "REGISTRY", "http://127.0.0.1:9")


def test_an_archive_of_other_bytes_is_refused(tmp_path):
    (tmp_path / CORE.archive).write_bytes(b"something else")
    with pytest.raises(UsageError, match=r"litertjs-core-2\.5\.3\.tgz is not the expected file"):
        litertjs.download(tmp_path)


def test_what_npm_brings_is_checked_before_it_is_kept(npm, tmp_path):
    npm(f'echo "something else" > {CORE.archive}')
    with pytest.raises(UsageError, match="is not the expected file"):
        litertjs.download(tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_npm_says_is_passed_on_with_a_way_out(npm, tmp_path):
    npm('echo "code E404" >&2; exit 1')
    with pytest.raises(UsageError, match=r"npm pack says: code E404\.") as refused:
        litertjs.download(tmp_path / "kept")
    assert "run `npm pack @litertjs/core@2.5.3`; copy litertjs-core-2.5.3.tgz into" in str(
        refused.value
    )


def test_without_npm_the_public_registry_is_asked(tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"@litertjs/core/-/core-2\.5\.3\.tgz was interrupted"):
        litertjs.download(tmp_path / "kept")


def test_what_is_there_is_not_fetched_again(tmp_path, monkeypatch, no_network):
    kept = litertjs.cache_dir()
    try:
        litertjs.download(kept)
    except UsageError as error:
        pytest.skip(f"LiteRT.js is not here: {error}")
    for package in litertjs.PACKAGES:
        shutil.copy(kept / package.archive, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", None)
    told = []
    litertjs.download(tmp_path, tell=told.append)
    assert told == []
    content = litertjs.content(tmp_path)
    assert sorted({name.rpartition("/")[2].partition(".")[0] for name in content}) == [
        "index",
        "litert_wasm_compat_internal",
        "litert_wasm_internal",
        "litert_wasm_threaded_internal",
    ]
    assert content["core/wasm/litert_wasm_internal.wasm"].startswith(b"\0asm")
