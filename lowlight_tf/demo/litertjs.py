"""LiteRT.js, which runs .tflite files inside a browser: fetched from npm once, checked, kept.

It is 12 MB, more than the shipped nets together, and no camera needs it: so it is no part of the
package. Its archives are kept as npm has them, whole, with what they say of their licence.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.download import download_file, verify_sha256

REGISTRY = "https://registry.npmjs.org"
"""Where packages are where npm itself, and with it its configuration, is not."""

SERVED = re.compile(r"dist/index\.js|wasm/litert_wasm_(threaded_|compat_)?internal\.(js|wasm)")
"""What a page takes of a package: the code, and WebAssembly for all processors, for one, and for
one in a browser some years old."""


@dataclasses.dataclass(frozen=True)
class Package:
    """One npm package, of one version and no other.

    Attributes:
        name: What npm calls it.
        version: Its version.
        sha256: Checksum of its archive.
    """

    name: str
    version: str
    sha256: str

    @property
    def archive(self) -> str:
        """The name of its file, as `npm pack` writes it."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def url(self) -> str:
        """Its address in the public registry."""
        short = self.name.rpartition("/")[2]
        return f"{REGISTRY}/{self.name}/-/{short}-{self.version}.tgz"


PACKAGES = (
    Package(
        "@litertjs/core",
        "2.5.3",
        "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd",
    ),
    Package(
        "@litertjs/wasm-utils",
        "2.5.3",
        "ce2a1f8379c067be49e59752e5a7f40db6be09f6e497f0f11e59f17b515366a7",
    ),
)
"""LiteRT.js and what it loads itself with; Apache-2.0, by Google."""


def cache_dir() -> Path:
    """Return the folder where the archives are kept for the next time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lowlight_tf"


def download(folder: Path, *, tell: Callable[[str], None] = lambda line: None) -> None:
    """Have the archives in a folder. What is there already is checked and not fetched again.

    `npm pack` fetches them, so that its configuration (registry, proxy, certificates) holds; where
    there is no npm, they come from the public registry.

    Args:
        folder: Where they lie, under the names that `npm pack` gives them; made if absent.
        tell: Shown a line before something is fetched.

    Raises:
        UsageError: If an archive cannot be fetched, or its bytes are not those it must have.
    """
    for package in PACKAGES:
        path = folder / package.archive
        if path.exists():
            verify_sha256(path, package.sha256)
            continue
        tell(f"fetching {package.name} {package.version} (Apache-2.0) from npm into {folder}, once")
        try:
            _fetch(package, path)
        except (UsageError, OSError) as error:
            raise UsageError(
                f"{package.name} {package.version} could not be fetched: {error} Where there is a "
                f"network, run `npm pack {package.name}@{package.version}`; copy {package.archive} "
                f"into {folder}."
            ) from None


def _fetch(package: Package, path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        download_file(package.url, path, sha256=package.sha256)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as beside:
        done = subprocess.run(
            [npm, "pack", "--silent", "--ignore-scripts", f"{package.name}@{package.version}"],
            cwd=beside,
            capture_output=True,
            text=True,
        )
        written = Path(beside) / package.archive
        if done.returncode or not written.exists():
            reason = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason"]
            raise UsageError(f"npm pack says: {reason[-1].strip()}.")
        verify_sha256(written, package.sha256)
        os.replace(written, path)


def content(folder: Path) -> dict[str, bytes]:
    """Return what a page is served of the archives in a folder: "core/dist/index.js" -> bytes."""
    files = {}
    for package in PACKAGES:
        short = package.name.rpartition("/")[2]
        with tarfile.open(folder / package.archive) as archive:
            for member in archive:
                inner = member.name.removeprefix("package/")
                if SERVED.fullmatch(inner):
                    files[f"{short}/{inner}"] = archive.extractfile(member).read()
    return files
