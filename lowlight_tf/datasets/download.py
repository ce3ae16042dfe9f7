"""Resumable download of one file over HTTP, verified by its SHA-256.

No dataset card of the package has a `url`: the datasets are on Google Drive or Baidu. This is for
cards of your own, and for the LiteRT.js archives of the web demo (`demo.litertjs`).
"""

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from lowlight_tf import __version__
from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import sha256 as file_sha256

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30  # without an answer

ProgressCallback = Callable[[int, int | None], None]
"""Called with the number of bytes received, and the total where it is known."""


def download_file(
    url: str, path: Path, *, sha256: str, progress: ProgressCallback = lambda done, total: None
) -> Path:
    """Download a file; if an earlier attempt was interrupted, resume it.

    The bytes received so far are kept next to it, as NAME.part, also when the download fails (other
    than with `fileio.atomic_write`). `path` exists only when it is complete and verified.

    Args:
        url: http:// or https://.
        path: Destination. If it exists with the right checksum, nothing is downloaded.
        sha256: Its checksum in hexadecimal.
        progress: Reports the bytes received.

    Returns:
        `path`.

    Raises:
        UsageError: If the server refuses, the transfer is interrupted (the next call resumes it),
            or the checksum differs (then the received bytes are removed).
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"A url must begin with http:// or https://. Received: {url}.")
    if path.exists():
        verify_sha256(path, sha256)
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
        received = part.stat().st_size if part.exists() else 0
        raise UsageError(
            f"The transfer of {url} was interrupted after {received} bytes: {error}. "
            "Run the same command again to resume it."
        ) from None
    try:
        verify_sha256(part, sha256)
    except UsageError:
        part.unlink()
        raise
    os.replace(part, path)
    return path


def verify_sha256(path: Path, sha256: str) -> None:
    """Check a file against its expected checksum; "" accepts any file.

    Raises:
        UsageError: If they differ; the message has both checksums.
    """
    if sha256 and (received := file_sha256(path)) != sha256.lower():
        raise UsageError(
            f"{path.name.removesuffix('.part')} is not the expected file: its SHA-256 must be "
            f"{sha256}. Received: {received}. Fetch it again."
        )


def _transfer(url: str, part: Path, progress: ProgressCallback) -> None:
    """Complete a partial file; if the server does not support Range, write all of it again."""
    start = part.stat().st_size if part.exists() else 0
    try:
        with _open_url(url, start) as response:
            resumed = response.status == 206 and _range_start(response) == start
            if response.status == 206 and not resumed:
                raise ConnectionError(f"requested bytes from {start} on, received others")
            done = start if resumed else 0
            length = response.headers.get("Content-Length")
            total = None if length is None else done + int(length)
            with part.open("ab" if resumed else "wb") as file:
                while chunk := response.read(CHUNK_BYTES):
                    file.write(chunk)
                    done += len(chunk)
                    progress(done, total)
            if total is not None and done < total:  # http.client ends chunked reads without error
                raise ConnectionError(f"the server announced {total} bytes")
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        error.close()  # no bytes beyond these: the part is complete, or of another file
        if error.headers.get("Content-Range") != f"bytes */{start}":
            part.unlink()
            _transfer(url, part, progress)


def _open_url(url: str, start: int) -> HTTPResponse:
    headers = {"User-Agent": f"lowlight_tf/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)


def _range_start(response: HTTPResponse) -> int | None:
    """Return the first byte of "Content-Range: bytes 100-199/200"."""
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else None
