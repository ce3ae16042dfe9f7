#!/usr/bin/env bash
# The base installation on Arm: the aarch64 wheels of its dependencies under QEMU's user emulation,
# with the Python of Debian. There, with warnings as errors: the self-test of the pretrained models
# named as arguments, or of all. Needs Debian with qemu-user-static, but no privileges; downloads
# 120 MB. Nothing is timed: emulation says nothing about speed. Removes everything that it writes.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
workdir=$(mktemp -d)
trap 'rm -rf "$workdir"' EXIT
root=$workdir/root
mkdir -p "$workdir"/{lists/partial,cache/archives/partial} "$root"
apt=(
    -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
    -o Dir::State::Lists="$workdir/lists" -o Dir::State::status=/dev/null
    -o Dir::Cache="$workdir/cache"
)
apt-get "${apt[@]}" update
apt-get "${apt[@]}" install -y --no-install-recommends --print-uris python3 libstdc++6 zlib1g |
    grep -o "'[^']*' [^ ]*" | awk '{print $2}' | sed 's/_.*//' >"$workdir/packages"
(cd "$workdir/cache" && xargs apt-get "${apt[@]}" download <"$workdir/packages")
for package in "$workdir"/cache/*.deb; do
    dpkg -x "$package" "$root"
done

version=$(cd "$root/usr/bin" && ls -d python3.[0-9]* | head -1 | sed 's/python//')
platforms=()
for glibc in 17 24 26 27 28 31 34 35 36; do # what is older than Debian's runs there
    platforms+=(--platform "manylinux_2_${glibc}_aarch64")
done
python3 -m pip install --quiet --disable-pip-version-check -c "$here/constraints.txt" \
    --target "$root/site" --only-binary=:all: --python-version "$version" \
    --platform manylinux2014_aarch64 "${platforms[@]}" \
    $(python3 - "$here/setup.py" <<'PY'
import re
import sys

requirements = re.search(r"install_requires=\[(.*?)\]", open(sys.argv[1]).read(), re.S)[1]
print(*re.findall(r'"([^"]+)"', requirements))
PY
)
cp -r "$here/lowlight_tf" "$root/site/"

# The interpreter looks up the cores here; QEMU would show it the host's, and it would crash.
mkdir "$root/proc"
for core in 0 1; do
    printf 'processor\t: %d\nFeatures\t: fp asimd evtstrm crc32 cpuid\n' "$core"
    printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n'
    printf 'CPU part\t: 0xd0b\nCPU revision\t: 1\n\n'
done >"$root/proc/cpuinfo"
export QEMU_CPU=${QEMU_CPU:-cortex-a76}
export PYTHONPATH=$root/site PYTHONHOME=$root/usr PYTHONWARNINGS=error PYTHONDONTWRITEBYTECODE=1
qemu-aarch64-static -L "$root" "$root/usr/bin/python$version" -m lowlight_tf selftest "$@"
