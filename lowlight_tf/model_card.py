"""The JSON file next to a .tflite file: everything that a device must know of the model."""

import dataclasses
from pathlib import Path
from typing import Any

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.fileio import read_json, write_json
from lowlight_tf.legacy_names import (
    CARD_FIELDS,
    MODEL_OPTIONS,
    PREPROCESSING_KEYS,
    QUANTIZATIONS,
    rename_keys,
)


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """The JSON file next to a .tflite file: everything that a device must know of the model.

    Attributes:
        name: What the file is called.
        model: Name of the architecture in the catalog.
        contract: Ports, their color spaces, and the scale.
        height: Height that the file takes without being resized (pixels).
        width: Width that the file takes without being resized (pixels).
        quantization: "float32", "float16", "dynamic_range", "int8" or "int16x8".
        dtype: Type of the arrays at the ports, "float32" or "uint8".
        value_range: Black and white at the ports: [0, 1], or [0, 255] for uint8.
        sha256: Checksum of the .tflite file.
        size_bytes: Its size.
        weights: Number of trained weights of the model.
        resizable: On a CPU the file takes images of any height and width that are multiples of
            `contract.multiple_of`; on other processors `lowlight-tf resize` makes it do so.
        parity_db: PSNR (dB) of the file's output against that of Keras, on the images of its check.
        onnx_parity_db: PSNR (dB) of NAME.onnx by ONNX Runtime against the file by LiteRT; None
            without one.
        preprocessing: What is done to the images of two cameras before they go in, the fields of
            `imaging.registration.pair_preprocessing.PairPreprocessing`; empty for its defaults.
        options: What the architecture was built with.
        training: Data and their terms, recipe, seed, steps, measured results, from the run.
    """

    name: str
    model: str
    contract: Contract
    height: int
    width: int
    quantization: str
    dtype: str
    value_range: tuple[float, float]
    sha256: str
    size_bytes: int
    weights: int
    resizable: bool = False
    parity_db: float | None = None
    onnx_parity_db: float | None = None
    preprocessing: dict[str, Any] = dataclasses.field(default_factory=dict)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    training: dict[str, Any] = dataclasses.field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the card as JSON."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: Path) -> "ModelCard":
        """Read a card that `save` wrote, also one of version 0.1.0.

        Raises:
            UsageError: If there is no card, or the file is no card.
        """
        if not path.exists():
            raise UsageError(
                f"No card at {path}. A .tflite file needs the .json that `lowlight-tf export` "
                "wrote next to it; copy both."
            )
        fields = rename_keys(read_json(path), CARD_FIELDS)
        try:
            fields["quantization"] = QUANTIZATIONS.get(
                fields["quantization"], fields["quantization"]
            )
            fields["options"] = rename_keys(fields.get("options", {}), MODEL_OPTIONS)
            fields["preprocessing"] = rename_keys(
                fields.get("preprocessing", {}), PREPROCESSING_KEYS
            )
            fields["contract"] = Contract.from_dict(fields["contract"])
            fields["value_range"] = tuple(fields["value_range"])
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"{path} is not a card of lowlight_tf: {error}. Export again."
            ) from None
