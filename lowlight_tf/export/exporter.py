"""A run folder -> .tflite files, each with its card: all that a device needs."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lowlight_tf import checks, legacy_names
from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.export.calibration_data import (
    calibration_images,
    batch_as_float32,
    parity_samples,
    representative_dataset,
)
from lowlight_tf.export.convert import convert
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.export.parity import parity_db
from lowlight_tf.export.quantization.post_training import QUANTIZATIONS
from lowlight_tf.fileio import read_json, sha256
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime.engine import Images
from lowlight_tf.runtime.golden import INPUTS_PREFIX, center_crop
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.tflite_graph.resize_model import is_resizable

OVERRIDABLE_KEYS = "options.", "preparation."
"""What begins the name of a setting that a trained net may be given another value of."""


def load_run(run: Path, settings: Sequence[str] = ()) -> tuple[Recipe, KerasEngine]:
    """Return the recipe and the net of a run folder.

    Args:
        run: A folder that `lowlight-tf train` wrote.
        settings: Such as "options.strategy=sum": what the recipe is to say instead. The trained
            weights must fit the net that it builds then.

    Raises:
        UsageError: If the folder is not a whole run, its net is not the one that its recipe
            builds, or a setting is about training or about how many weights there are.
    """
    checks.check_dir("run", run)
    for setting in settings:
        if not setting.startswith(OVERRIDABLE_KEYS):
            raise UsageError(
                "Of a trained net options.KEY=VALUE and preparation.KEY=VALUE can be set. "
                f"Received: {setting}. Train again with it."
            )
    recipe = Recipe.load(run / "recipe.toml").replace(settings)
    engine = KerasEngine(run)
    expected = MODELS.find(recipe.model).contract
    if engine.contract != expected:
        raise UsageError(
            f"{run}/contract.json is not that of {recipe.model}, which {run}/recipe.toml names. "
            "Pass an unmixed run folder."
        )
    built = MODELS.find(recipe.model).load()(**recipe.options)
    if [w.shape for w in built.weights] != [w.shape for w in engine.model.weights]:
        raise UsageError(
            f"{run}/model.keras is a checkpoint of another model: {run}/recipe.toml builds "
            f"{recipe.model} with {built.count_params()} weights, the file has "
            f"{engine.model.count_params()}. "
            + (f"Leave out {' '.join(settings)}." if settings else "Pass an unmixed run folder.")
        )
    if settings:
        built.set_weights(engine.model.get_weights())
        engine = KerasEngine.of(built, expected, name=engine.name, preparation=recipe.preprocessing)
    return recipe, engine


def export_run(
    run: Path,
    *,
    size: tuple[int, int],
    quantize: Sequence[str],
    output: Path,
    name: str | None = None,
    calibration_folder: Path | None = None,
    golden: bool = False,
    settings: Sequence[str] = (),
) -> list[Path]:
    """Write the net of a run as one .tflite file for each quantization, with its card.

    Args:
        run: A folder that `lowlight-tf train` wrote.
        size: Height and width of the pictures that the files take (pixels).
        quantize: Some of `quantize.QUANTIZATIONS`.
        output: Folder for NAME_HEIGHTxWIDTH_QUANTIZATION.tflite and .json; made if absent.
        name: What stands for NAME, and what the cards call the net; by default the model's name.
        calibration_folder: Dark pictures to take ranges from. By default the training pictures of
            the run, or the embedded ones where these are gone.
        golden: Write a picture and what the file makes of it beside each file, as .npz; it is one
            of the embedded photographs, never one of the run's.
        settings: What the recipe is to say instead, see `open_run`.

    Returns:
        The .tflite files.

    Raises:
        UsageError: If the folder is no whole run, or what is asked for cannot be had. Nothing is
            written then.
    """
    quantize = [legacy_names.QUANTIZATIONS.get(name, name) for name in quantize]
    for quantization in quantize:
        checks.check_choice("quantize", quantization, QUANTIZATIONS)
    recipe, engine = load_run(run, settings)
    contract = engine.contract
    pictures = calibration_images(
        contract, run=run, folder=calibration_folder, preprocessing=recipe.preprocessing
    )
    samples = representative_dataset(pictures, contract, size)
    compared = parity_samples(pictures, contract, size)
    # What travels with a file is a photograph that may, not one of the run's.
    (shown,) = (
        parity_samples(calibration_images(contract, max_images=1), contract, size) if golden else (None,)
    )

    written = []
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".export-") as folder:
        for quantization in quantize:
            stem = f"{name or recipe.model}_{size[0]}x{size[1]}_{quantization}"
            path = convert(
                engine.model,
                contract,
                Path(folder) / f"{stem}.tflite",
                size=size,
                quantization=quantization,
                samples=samples,
            )
            card = build_card(
                path, run, recipe, engine, size=size, quantization=quantization, name=name or stem
            )
            card.save(path.with_suffix(".json"))
            made = LiteRTEngine(path)
            parity = parity_db(engine, made, [batch_as_float32(picture) for picture in compared])
            dataclasses.replace(card, parity_db=parity).save(path.with_suffix(".json"))
            if golden:
                save_golden(made, shown, path.with_suffix(".npz"))
            written.append(output / path.name)
        for path in Path(folder).iterdir():
            os.replace(path, output / path.name)
    return written


def build_card(
    path: Path,
    run: Path,
    recipe: Recipe,
    engine: KerasEngine,
    *,
    size: tuple[int, int],
    quantization: str,
    name: str,
) -> ModelCard:
    """Return what is to lie beside a file that was made from a run.

    Args:
        path: The .tflite file.
        run: The folder of the run.
        recipe: Its recipe.
        engine: Its net.
        size: Height and width that the file takes (pixels).
        quantization: One of `quantize.QUANTIZATIONS`.
        name: What the card calls the file.
    """
    training = run / "training.json"
    whole = quantization == "int8"
    return ModelCard(
        name=name,
        model=recipe.model,
        contract=engine.contract,
        height=size[0],
        width=size[1],
        quantization=quantization,
        dtype="uint8" if whole else "float32",
        value_range=(0, 255) if whole else (0, 1),
        sha256=sha256(path),
        size_bytes=path.stat().st_size,
        weights=reparameterize_model(engine.model).count_params(),
        resizable=is_resizable(path, engine.contract),
        preprocessing=recipe.fields().get("preprocessing", {}),
        options=dict(recipe.options),
        training=read_json(training) if training.is_file() else {},
    )


def save_golden(
    engine: LiteRTEngine,
    images: Images,
    path: Path,
    *,
    output_size: tuple[int, int] | None = None,
    inputs_of: Path | None = None,
) -> None:
    """Write one 8-bit picture and its output, (H, W, C) each, under the names of their ports.

    Args:
        engine: What makes the output.
        images: A batch of one for each input port.
        path: The .npz to write.
        output_size: Height and width of the middle of the output, of which all is written else.
        inputs_of: A golden pair in the same folder that holds the same picture, which is not
            written again then.
    """
    arrays = {name: image[0] for name, image in engine(images).items()}
    if output_size:
        arrays = {name: center_crop(image, output_size) for name, image in arrays.items()}
    if inputs_of:
        arrays[INPUTS_PREFIX] = np.array(inputs_of.name)
    else:
        arrays |= {name: image[0] for name, image in images.items()}
    np.savez_compressed(path, **arrays)
