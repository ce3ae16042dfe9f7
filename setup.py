"""Metadata of the package. `pip install .` is all that a camera needs; extras add the rest."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "lowlight_tf/__init__.py").read_text())[1]

EXTRAS = {
    "video": ["av>=18"],  # contains FFmpeg
    "raw": ["rawpy>=0.28"],  # contains LibRaw
    "train": [
        "tensorflow>=2.19,<3",
        "keras>=3.10,<4",
        "matplotlib>=3.8",
        "tensorboard>=2.19",
        "scikit-image>=0.24",  # its photographs are the sample pairs
    ],
    "gpu": ["tensorflow[and-cuda]>=2.19,<3"],
    "qat": [  # quantization-aware training and pruning; both support only Keras 2
        "tensorflow-model-optimization>=0.8",
        "tf_keras>=2.19,<3",
    ],
    "npu": ["ethos-u-vela>=5.0"],  # Arm's compiler, for `lowlight-tf verify`
    "openvino": ["openvino>=2025.0"],  # Intel's runtime, compared by `lowlight-tf verify`
    "onnx": ["tf2onnx>=1.17", "onnxruntime>=1.20"],  # `lowlight-tf export --format onnx`
    "augment": ["pyimgaug>=0.5"],  # the API of imgaug, for NumPy 2
    "notebooks": ["jupyterlab>=4"],
    "ray": ["ray>=2.50,<3"],  # processing on many processors or machines
    "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.6", "mkdocstrings[python]>=1.0"],
}
EXTRAS["dev"] = [
    *EXTRAS["train"],
    *EXTRAS["qat"],
    *EXTRAS["video"],
    *EXTRAS["raw"],
    *EXTRAS["ray"],
    *EXTRAS["npu"],
    *EXTRAS["openvino"],
    *EXTRAS["onnx"],
    *EXTRAS["docs"],
    "imageio-ffmpeg>=0.6",  # FFmpeg's program: reference for times in videos
    "ipykernel>=6",
    "nbclient>=0.10",
    "nbformat>=5",
    "playwright>=1.50",  # controls the installed Chromium
    "pycocotools>=2.0.8",  # reference for average precision
    "pytest>=8",
    "pytest-xdist>=3.6",
    "ruff>=0.9",
    "Pillow>=10",
    "tifffile>=2024.8",  # reference for TIFF files
]

setup(
    name="lowlight_tf",
    version=VERSION,
    description="Low-light image enhancement and infrared/visible fusion: Keras 3 to int8 LiteRT",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "THIRD_PARTY_NOTICES.md"],
    python_requires=">=3.11",
    packages=find_packages(include=["lowlight_tf", "lowlight_tf.*"]),
    package_data={
        "lowlight_tf": [
            "py.typed",
            "datasets/cards/*.toml",
            "evaluation/comparison/page.*",
            "recipes/*.toml",
            "runtime/models/*",
            "demo/page/*",
            "weights/*",
        ]
    },
    install_requires=[
        "numpy>=1.26",
        "opencv-python-headless>=4.12",
        "ai-edge-litert>=2.1",  # the first with tools.flatbuffer_utils
        "tqdm>=4.60",  # which LiteRT needs, too
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["lowlight-tf = lowlight_tf.cli.crash_guard:run"]},
)
