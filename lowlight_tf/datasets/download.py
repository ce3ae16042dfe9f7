"""Fetch a file over HTTP, going on where an attempt broke off, and verify it."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from lowlight_tf import __version__
from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import sha256 as checksum

CHUNK = 1 << 20  # bytes
TIMEOUT = 30  # seconds without an answer

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and with how many there will be, where that is known."""


def fetch(
    url: str, path: Path, *, sha256: str, progress: Progress = lambda done, total: None
) -> Path:
    """Download a file, going on where an earlier attempt broke off.

    What has come so far lies beside, as NAME.part; `path` is there only when it is whole and right.

    Args:
        url: http:// or https://.
        path: Where the file goes. If it is there with the right checksum, nothing is fetched.
        sha256: Its checksum in hexadecimal.
        progress: Told how far it is.

    Returns:
        `path`.

    Raises:
        UsageError: If the server refuses, the transfer breaks off (run again to go on), or the
            checksum is wrong (then what came is removed).
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"An archive's address must begin with http:// or https://. Got: {url}.")
    if path.exists():
        verify(path, sha256)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        _transfer(url, part, progress)
    except urllib.error.HTTPError as error:
        error.close()
        raise UsageError(
            f"{url} answers {error.code} {error.reason}. The address may have moved."
        ) from None
    except (OSError, HTTPException) as error:
        there = part.stat().st_size if part.exists() else 0
        raise UsageError(
            f"The transfer of {url} broke off after {there} bytes: {error}. "
            "Run the same command again to go on from there."
        ) from None
    try:
        verify(part, sha256)
    except UsageError:
        part.unlink()
        raise
    os.replace(part, path)
    return path


def verify(path: Path, sha256: str) -> None:
    """Refuse a file whose checksum is not the expected one; "" expects none.

    Raises:
        UsageError: Naming both checksums.
    """
    if sha256 and (received := checksum(path)) != sha256.lower():
        raise UsageError(
            f"{path.name.removesuffix('.part')} is not the expected file: its SHA-256 must be "
            f"{sha256}. Received: {received}. Fetch it again."
        )


def _transfer(url: str, part: Path, progress: Progress) -> None:
    """Bring `part` to its full length, by as much as the server lets us leave out."""
    there = part.stat().st_size if part.exists() else 0
    try:
        with _ask(url, there) as response:
            resumed = response.status == 206 and _start(response) == there
            if response.status == 206 and not resumed:
                raise ConnectionError(f"asked for bytes from {there} on, got others")
            done = there if resumed else 0  # a server without Range sends all of it again
            length = response.headers.get("Content-Length")
            total = None if length is None else done + int(length)
            with part.open("ab" if resumed else "wb") as file:
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    progress(done, total)
            if total is not None and done < total:  # reading in chunks ends without an error
                raise ConnectionError(f"{total} bytes were announced")
    except urllib.error.HTTPError as error:
        if error.code != 416 or not there:
            raise
        error.close()  # nothing lies beyond what we have: it is whole, or of another file
        if error.headers.get("Content-Range") != f"bytes */{there}":
            part.unlink()
            _transfer(url, part, progress)


def _ask(url: str, start: int) -> HTTPResponse:
    headers = {"User-Agent": f"lowlight_tf/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)


def _start(response: HTTPResponse) -> int | None:
    """Return the first byte of "Content-Range: bytes 100-199/200"."""
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else None
