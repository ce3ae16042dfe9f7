"""The same .tflite file elsewhere: OpenVINO reads it, ONNX and GStreamer get files of their own.

Each is compared with LiteRT on the same images: kernels differ, the file does not.
"""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.runtime.engine import Images
from lowlight_tf.runtime.golden import psnr_db

ONNX_OPSET = 18

MODELINFO_TYPES = {np.float32: "float32", np.uint8: "uint8", np.int8: "int8", np.int16: "int16"}
"""Types of tensors -> what GStreamer calls them."""

Tensors = Mapping[str, np.ndarray]
"""Name of a tensor in the file -> its value."""


class RuntimeUnavailableError(UsageError):
    """A runtime is not installed."""


def min_parity_db(quantization: str) -> float:
    """Return the PSNR to LiteRT (dB) from which another runtime can replace it.

    Integer kernels round differently, and OpenVINO computes some of their layers in float32.
    """
    return 60.0 if quantization in ("float32", "float16") else 30.0


def compare_openvino(path: Path, images: Images) -> float:
    """Run a .tflite file by OpenVINO on the CPU; return its PSNR to LiteRT (dB).

    Args:
        path: The file.
        images: One image of each input: port name -> (1, H, W, C), of the file's type.

    Raises:
        RuntimeUnavailableError: If OpenVINO is not installed.
        RuntimeError: If it cannot run the file.
    """
    _require("openvino", "openvino")
    import openvino

    core = openvino.Core()
    model = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: Tensors) -> Tensors:
        results = model(dict(inputs))
        return {name: results[port] for port in model.outputs for name in port.names}

    return _compare(path, images, run)


def write_onnx(path: Path) -> Path:
    """Convert a .tflite file to NAME.onnx in the same folder, with the same names of tensors.

    Raises:
        RuntimeUnavailableError: If tf2onnx is not installed.
        UsageError: If it cannot convert the file.
    """
    _require("tf2onnx", "onnx")
    import tf2onnx

    target = path.with_suffix(".onnx")
    try:
        model, _ = tf2onnx.convert.from_tflite(str(path), opset=ONNX_OPSET)
    except (KeyError, ValueError, NotImplementedError) as error:
        raise UsageError(f"tf2onnx cannot convert {path}: {error}.") from None
    with atomic_write(target) as part:
        part.write_bytes(model.SerializeToString())
    return target


def compare_onnx(onnx_path: Path, path: Path, images: Images) -> float:
    """Run an .onnx file by ONNX Runtime; return its PSNR to the .tflite file by LiteRT (dB).

    Args:
        onnx_path: The .onnx file.
        path: The .tflite file.
        images: See `compare_openvino`.

    Raises:
        RuntimeUnavailableError: If ONNX Runtime is not installed.
    """
    _require("onnxruntime", "onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Tensors) -> Tensors:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return _compare(path, images, run)


def write_modelinfo(path: Path) -> Path:
    """Write NAME.tflite.modelinfo, which GStreamer's `tfliteinference` reads (1.28 and newer).

    It names each tensor, its type and shape, and for inputs the values of black and white.

    Reference:
        https://gstreamer.freedesktop.org/documentation/analytics/GstAnalyticsModelInfo.html
    """
    interpreter = Interpreter(str(path))
    lines = ["[modelinfo]", "version=1.0", f"group-id={path.stem}", ""]
    for side in ("input", "output"):
        for detail in getattr(interpreter, f"get_{side}_details")():
            white = 255.0 if detail["dtype"] == np.uint8 else 1.0
            lines += [
                f"[{detail['name']}]",
                f"id={path.stem}-{detail['name'].split(':')[0]}",
                f"type={MODELINFO_TYPES[detail['dtype']]}",
                f"dims={','.join(map(str, detail['shape']))}",
                f"dir={side}",
            ]
            if side == "input":
                lines.append(f"ranges={';'.join([f'0.0,{white}'] * detail['shape'][-1])}")
            lines.append("")
    target = path.with_name(f"{path.name}.modelinfo")
    target.write_text("\n".join(lines), encoding="utf-8")
    return target


def _compare(path: Path, images: Images, run: Callable[[Tensors], Tensors]) -> float:
    """Return the PSNR (dB) of another runtime's outputs to those of LiteRT; white counts as 1."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    details, inputs = interpreter.get_input_details(), {}
    if len(details) == 1:
        ports = {next(iter(images)): details[0]}
    else:
        key = next(iter(interpreter.get_signature_list()))
        ports = interpreter.get_signature_runner(key).get_input_details()
    for port, detail in ports.items():
        inputs[detail["name"]] = images[port]
        interpreter.set_tensor(detail["index"], images[port])
    interpreter.invoke()
    results, errors = run(inputs), []
    for detail in interpreter.get_output_details():
        expected = interpreter.get_tensor(detail["index"]).astype(np.float64)
        white = 255.0 if detail["dtype"] == np.uint8 else 1.0
        errors.append(np.square((results[detail["name"]] - expected) / white).mean())
    return psnr_db(float(np.mean(errors)))


def _require(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise RuntimeUnavailableError(
            f"{module} is not installed. Run: pip install 'lowlight_tf[{extra}]'"
        )
