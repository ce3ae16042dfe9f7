"""The real LiteRT GPU delegate, run on a file: does every operation stay on it, how far is it off?

The delegate comes with ai-edge-litert and runs over Vulkan. A machine without a GPU runs it on
SwiftShader, the software Vulkan driver that comes with Chromium. It runs in a process of its own:
it reads its environment when it is loaded, says which operations it refuses on standard error only,
and may take its process down. This module imports nothing that such a process would not need.
"""

import ctypes
import dataclasses
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

DRIVER_FILES = (
    "/usr/lib*/chromium*/vk_swiftshader_icd.json",
    "/opt/google/chrome*/vk_swiftshader_icd.json",
    "/snap/chromium/current/usr/lib/chromium-browser/vk_swiftshader_icd.json",
)
"""Where a software Vulkan driver may lie."""

INSTALL_ADVICE = (
    "On Debian run: apt-get install chromium libvulkan1. Elsewhere install Chromium and the Vulkan "
    "loader, or set VK_DRIVER_FILES to the .json of a Vulkan driver."
)
"""How to get a driver."""

_DRIVER_ENV = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
_RESULT_PREFIX = "lowlight_tf delegate: "


class VulkanUnavailableError(RuntimeError):
    """There is no Vulkan driver here, or none that the delegate takes. Says how to get one."""


@dataclasses.dataclass(frozen=True)
class DelegateReport:
    """What the GPU delegate made of a file.

    Attributes:
        device: What it ran on, as the driver calls itself.
        unsupported_ops: Each operation that leaves the delegate and why; empty if all stay on it.
        summary: How many run where, as the delegate says; "" if all stay on it.
        max_difference: Largest difference between the outputs of GPU and CPU, in [0, 1] units.
        psnr_db: Their PSNR (dB). Both are None where an operation is refused.
    """

    device: str
    unsupported_ops: tuple[str, ...] = ()
    summary: str = ""
    max_difference: float | None = None
    psnr_db: float | None = None


def find_vulkan_driver() -> str | None:
    """Return the Vulkan driver file to use: what the environment names, else SwiftShader's."""
    named = next((os.environ[name] for name in _DRIVER_ENV if os.environ.get(name)), None)
    found = [path for pattern in DRIVER_FILES for path in sorted(glob.glob(pattern))]
    return named or next(iter(found), None)


def check_vulkan_loader() -> None:
    """Raise NoDriver if the library that loads Vulkan drivers is not here."""
    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError:
        raise VulkanUnavailableError(
            f"The Vulkan loader, libvulkan.so.1, was not found. {INSTALL_ADVICE}"
        ) from None


def check_gpu_delegate(
    path: Path, images: Mapping[str, np.ndarray], *, timeout_s: float = 600
) -> DelegateReport:
    """Run a .tflite file on the GPU delegate and on the CPU.

    Args:
        path: The file.
        images: Input name -> (1, H, W, C) of the type that the file takes.
        timeout_s: Longest time that it may take (seconds).

    Returns:
        What became of it.

    Raises:
        NoDriver: If there is no Vulkan driver that the delegate takes.
        RuntimeError: If the delegate ended without a word on why.
    """
    chosen = find_vulkan_driver()
    if chosen is None:
        raise VulkanUnavailableError(f"No Vulkan driver was found. {INSTALL_ADVICE}")
    check_vulkan_loader()
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "images.npz"
        np.savez(arrays, **images)
        variables = {
            "XDG_RUNTIME_DIR": folder,
            **os.environ,
            **dict.fromkeys(_DRIVER_ENV, chosen),
        }
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__, str(path), str(arrays)],
                env=variables,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the GPU delegate took more than {timeout_s:.0f} s") from None
    return _parse_report(done.returncode, done.stdout, done.stderr)


def _parse_report(status: int, stdout: str, stderr: str) -> DelegateReport:
    """Return what a finished process says of the delegate."""
    device = re.search(r"Selected adapter: ([^,\n]+)", stderr)
    if device is None and re.search("No adapters found|initialize WebGPU environment", stderr):
        raise VulkanUnavailableError(
            f"The delegate takes none of the Vulkan drivers here. {INSTALL_ADVICE}"
        )
    name = device[1] if device else "unknown"
    refused = re.search(
        r"not supported by GPU delegate:\n(.*?)\n([^\n]*operations? will run on[^\n]*)", stderr, re.S
    )
    if refused:
        return DelegateReport(name, tuple(refused[1].splitlines()), refused[2])
    result = re.search(re.escape(_RESULT_PREFIX) + "(.*)", stdout)
    if status or not result:
        tail = " | ".join(stderr.strip().splitlines()[-3:])
        raise RuntimeError(f"the GPU delegate ended with status {status}: {tail}")
    return DelegateReport(name, **json.loads(result[1]))


def _compare_with_cpu(path: str, arrays: str) -> dict[str, float]:
    """Run a file on both, in this process; the log goes to standard error."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.interpreter import Interpreter

    with np.load(arrays) as file:
        images = {name: np.ascontiguousarray(file[name]) for name in file.files}
    interpreter = Interpreter(model_path=path)
    key = next(iter(interpreter.get_signature_list()))
    runner = interpreter.get_signature_runner(key)
    expected = runner(**images)

    model = CompiledModel.from_file(path, hardware_accel=HardwareAccelerator.GPU)
    inputs = {name: model.create_input_buffer_by_name(key, name) for name in images}
    outputs = {name: model.create_output_buffer_by_name(key, name) for name in expected}
    for name, image in images.items():
        inputs[name].write(image)
    model.run_by_name(key, inputs, outputs)
    differences = []
    for name, array in expected.items():
        scale = runner.get_output_details()[name]["quantization"][0] or 1.0
        actual = outputs[name].read(array.size, array.dtype.type).reshape(array.shape)
        differences.append((np.float64(actual) - array).ravel() * scale)
    difference = np.concatenate(differences)
    return {
        "difference": float(np.abs(difference).max()),
        "agreement_db": round(float(-10 * np.log10(max(np.square(difference).mean(), 1e-12))), 2),
    }


if __name__ == "__main__":
    print(_RESULT_PREFIX + json.dumps(_compare_with_cpu(*sys.argv[1:])))
