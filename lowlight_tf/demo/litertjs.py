"""LiteRT.js, which runs .tflite files inside a browser: downloaded from npm once and verified.

It is not part of the package, since it has 12 MB, more than all shipped models, and no camera needs
it. The archives are kept as npm provides them, including their license.
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
"""Public registry, used if npm with its own configuration is not installed."""

SERVED_FILES = re.compile(
    r"dist/index\.js|wasm/litert_wasm_(threaded_|compat_)?internal\.(js|wasm)"
)
"""Files of a package that the page needs: code, and WebAssembly with threads, without them, and for
older browsers."""


@dataclasses.dataclass(frozen=True)
class Package:
    """An npm package of one exact version.

    Attributes:
        name: Name in the registry.
        version: Version.
        sha256: Checksum of the archive.
    """

    name: str
    version: str
    sha256: str

    @property
    def archive(self) -> str:
        """File name of the archive, as `npm pack` writes it."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def url(self) -> str:
        """URL of the archive in the public registry."""
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
"""LiteRT.js and its WebAssembly loader; Apache-2.0, by Google."""


def cache_dir() -> Path:
    """Return the folder where the archives are cached."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lowlight_tf"


def download(folder: Path, *, report: Callable[[str], None] = lambda line: None) -> None:
    """Download the archives that a folder does not have yet, and verify all of them.

    `npm pack` is used, so that its configuration (registry, proxy, certificates) applies; without
    npm, the archives are downloaded from the public registry.

    Args:
        folder: Folder of the archives, named as by `npm pack`; created if absent.
        report: Called with a line of text before each download.

    Raises:
        UsageError: If an archive cannot be downloaded, or its checksum differs.
    """
    for package in PACKAGES:
        path = folder / package.archive
        if path.exists():
            verify_sha256(path, package.sha256)
            continue
        report(f"downloading {package.name} {package.version} (Apache-2.0) from npm to {folder}")
        try:
            _download_package(package, path)
        except (UsageError, OSError) as error:
            release = f"{package.name}@{package.version}"
            raise UsageError(
                f"{release} could not be downloaded: {error} Where there is a network, run "
                f"`npm pack {release}`; copy {package.archive} into {folder}."
            ) from None


def _download_package(package: Package, path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        download_file(package.url, path, sha256=package.sha256)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        process = subprocess.run(
            [npm, "pack", "--silent", "--ignore-scripts", f"{package.name}@{package.version}"],
            cwd=temporary,
            capture_output=True,
            text=True,
        )
        archive = Path(temporary) / package.archive
        if process.returncode or not archive.exists():
            errors = [line for line in process.stderr.splitlines() if line.strip()]
            raise UsageError(f"npm pack failed: {errors[-1].strip() if errors else 'no reason'}.")
        verify_sha256(archive, package.sha256)
        os.replace(archive, path)


def read_served_files(folder: Path) -> dict[str, bytes]:
    """Return the files that the page needs of the archives: "core/dist/index.js" -> content."""
    files = {}
    for package in PACKAGES:
        short = package.name.rpartition("/")[2]
        with tarfile.open(folder / package.archive) as archive:
            for member in archive:
                name = member.name.removeprefix("package/")
                if SERVED_FILES.fullmatch(name):
                    files[f"{short}/{name}"] = archive.extractfile(member).read()
    return files
