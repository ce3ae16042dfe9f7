"""Run folder -> .tflite files, each with its model card and, on request, a golden pair."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lowlight_tf import checks, legacy_names
from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import DEPLOYED
from lowlight_tf.export import other_runtimes
from lowlight_tf.export.calibration_data import (
    batch_as_float32,
    calibration_images,
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
from lowlight_tf.runtime.golden import INPUTS_PREFIX, center_crop, find_equal, run_golden
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.runtime.packed_engine import pack_images
from lowlight_tf.tflite_graph.packed_ports import pack_ports
from lowlight_tf.tflite_graph.resize_model import is_resizable

OVERRIDABLE_TABLES = ("options", "preprocessing")
"""The recipe tables whose settings may be changed without training again."""


def load_run(run: Path, settings: Sequence[str] = ()) -> tuple[Recipe, KerasEngine]:
    """Return the recipe and the model of a run folder, as it is deployed.

    Args:
        run: A folder that `lowlight-tf train` wrote.
        settings: Changes to the recipe, such as "options.strategy=sum". The trained weights must
            fit the model that the changed recipe builds.

    Raises:
        UsageError: If the folder lacks a file of a run, its model is not the one that its recipe
            builds, or a setting concerns training or the number of weights.
    """
    checks.check_dir("run", run)
    for setting in settings:
        table = setting.partition(".")[0]
        if legacy_names.RECIPE_TABLES.get(table, table) not in OVERRIDABLE_TABLES:
            raise UsageError(
                "For a trained model only options.KEY=VALUE and preprocessing.KEY=VALUE can be "
                f"set. Received: {setting}. Train again with it."
            )
    recipe = Recipe.load(run / "recipe.toml").replace(settings)
    engine = KerasEngine(run)
    expected = MODELS.find(recipe.model).contract
    if engine.contract != expected:
        raise UsageError(
            f"{run}/contract.json is not the contract of {recipe.model}, the model of "
            f"{run}/recipe.toml. Pass a run folder whose files are of one training."
        )
    built = MODELS.find(recipe.model).load()(**recipe.options)
    if [w.shape for w in built.weights] != [w.shape for w in engine.model.weights]:
        raise UsageError(
            f"{run}/model.keras is a checkpoint of another model: {run}/recipe.toml builds "
            f"{recipe.model} with {built.count_params()} weights, the file has "
            f"{engine.model.count_params()}. "
            + (
                f"Leave out {' '.join(settings)}."
                if settings
                else "Pass a run folder whose files are of one training."
            )
        )
    if settings:
        built.set_weights(engine.model.get_weights())
        engine = KerasEngine.of(
            built, expected, name=engine.name, preprocessing=recipe.preprocessing
        )
    if deployed := MODELS.find(recipe.model).deployed_contract:
        engine = KerasEngine.of(engine.model.get_layer(DEPLOYED), deployed, name=engine.name)
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
    packed: bool = False,
    onnx: bool = False,
    settings: Sequence[str] = (),
    report: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write the model of a run as one .tflite file for each quantization, with its card.

    Args:
        run: A folder that `lowlight-tf train` wrote.
        size: Height and width of the images that the files take (pixels).
        quantize: Some of `post_training.QUANTIZATIONS`; their names of 0.1.0, "none" and "dynamic",
            are accepted.
        output: Folder for NAME_HEIGHTxWIDTH_QUANTIZATION.tflite and .json; created if absent.
        name: NAME, and the name in the cards; default: the model's name.
        calibration_folder: Low-light images to calibrate with. Default: the training images of the
            run, or the sample photographs if those files are gone.
        golden: Write a golden pair next to each file, as .npz: an image and the file's output. The
            image is one of the sample photographs, never one of the run's.
        packed: Write the files with ports that the host folds, see `tflite_graph.packed_ports`;
            "_packed" is added to their names.
        onnx: Write NAME.onnx beside each file too.
        settings: Changes to the recipe, see `load_run`.
        report: Called with one line for each calibration image that cannot be used; None raises.

    Returns:
        The .tflite files.

    Raises:
        UsageError: If the folder lacks a file of a run, or an argument is invalid. Nothing is
            written then.
    """
    quantize = [legacy_names.QUANTIZATIONS.get(name, name) for name in quantize]
    for quantization in quantize:
        checks.check_choice("quantize", quantization, QUANTIZATIONS)
    recipe, engine = load_run(run, settings)
    contract = engine.contract
    images = calibration_images(
        contract,
        run=run,
        folder=calibration_folder,
        preprocessing=recipe.preprocessing,
        report=report,
    )
    samples = representative_dataset(images, contract, size)
    byte_batches = parity_samples(images, contract, size)
    parity_batches = [batch_as_float32(batch, contract) for batch in byte_batches]
    # The golden pair is distributed with the file: the license of a run's image may not allow that.
    (golden_inputs,) = (
        parity_samples(calibration_images(contract, max_images=1), contract, size)
        if golden
        else (None,)
    )

    written = []
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".export-") as folder:
        for quantization in quantize:
            stem = f"{name or recipe.model}_{size[0]}x{size[1]}_{quantization}"
            stem += "_packed" if packed else ""
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
            exported = LiteRTEngine(path)
            parity = parity_db(engine, exported, parity_batches)
            if golden:
                save_golden(exported, golden_inputs, path.with_suffix(".npz"))
            card = dataclasses.replace(card, parity_db=parity)
            if packed:
                card = _pack_file(path, card)
            other_runtimes.write_modelinfo(path)
            if onnx:
                batch = parity_batches[0] if card.dtype == "float32" else byte_batches[0]
                inputs = pack_images(batch, card.contract)
                parity = other_runtimes.compare_onnx(other_runtimes.write_onnx(path), path, inputs)
                card = dataclasses.replace(card, onnx_parity_db=parity)
            card.save(path.with_suffix(".json"))
            written.append(output / path.name)
        for path in Path(folder).iterdir():
            os.replace(path, output / path.name)
    return written


def _pack_file(path: Path, card: ModelCard) -> ModelCard:
    """Pack the ports of a file in place, and return its card."""
    content, contract = pack_ports(path.read_bytes(), card.contract)
    path.write_bytes(content)
    return dataclasses.replace(
        card,
        contract=contract,
        resizable=False,
        sha256=sha256(path),
        size_bytes=len(content),
    )


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
    """Return the model card of a file that was exported from a run.

    Args:
        path: The .tflite file.
        run: The folder of the run.
        recipe: Its recipe.
        engine: Its model.
        size: Height and width that the file takes (pixels).
        quantization: One of `post_training.QUANTIZATIONS`.
        name: The name of the file in the card.
    """
    training = run / "training.json"
    has_uint8_ports = quantization == "int8"
    return ModelCard(
        name=name,
        model=recipe.model,
        contract=engine.contract,
        height=size[0],
        width=size[1],
        quantization=quantization,
        dtype="uint8" if has_uint8_ports else "float32",
        value_range=(0, 255) if has_uint8_ports else (0, 1),
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
    """Write a golden pair: 8-bit inputs and outputs by port name, (H, W, C) each, as .npz.

    Args:
        engine: The engine to record.
        images: Port name -> (1, H, W, C) uint8.
        path: The .npz to write.
        output_size: Height and width up to which the center of the output is kept; default: all.
        inputs_of: A golden pair in the same folder; inputs that it contains are not stored again.
    """
    arrays = {name: image[0] for name, image in run_golden(engine, images).items()}
    if output_size:
        arrays = {name: center_crop(image, output_size) for name, image in arrays.items()}
    arrays |= {name: image[0] for name, image in images.items()}
    if inputs_of:
        for name in find_equal(images, inputs_of):
            del arrays[name]
        arrays[INPUTS_PREFIX] = np.array(inputs_of.name)
    np.savez_compressed(path, **arrays)
