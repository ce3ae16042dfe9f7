"""How models of each task are evaluated: their inputs, protocols, metrics and previews."""

import abc
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.datasets import exposure_pairs, multi_camera, pairing
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.datasets.synthetic_raw import synthesize_raw_pairs
from lowlight_tf.evaluation import raw_protocol
from lowlight_tf.imaging import dtypes, image_io
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.metrics import fidelity
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.tasks import task_of

FUSION_METRICS = ("entropy", "mutual_information", "standard_deviation", "scd", "vif")
"""Default metrics of fusion, which has no target."""


class EvaluationTask(abc.ABC):
    """How models of one task are evaluated.

    Attributes:
        metrics: Names of the default metrics.
        protocols: Those of metrics that compare with a target.
        preview_columns: Input of a pair -> its heading in previews.
    """

    metrics: Sequence[str] = ("psnr", "ssim")
    protocols: Sequence[str] = fidelity.PROTOCOLS
    preview_columns: ClassVar[Mapping[str, str]] = {"low": "before"}

    def default_protocol(self, contract: Contract) -> str:
        """Return the protocol where none is named."""
        return "plain"

    @abc.abstractmethod
    def read_folder(
        self, folder: Path, *, with_targets: bool, report: Callable[[str], None]
    ) -> list[Pair]:
        """Read the pairs of a folder.

        Args:
            folder: Its layout is that of this task.
            with_targets: Whether each pair must have a target.
            report: Called with one line for each pair that is left out.

        Raises:
            UsageError: If the folder has no pairs of this task.
        """

    def prepare_pairs(self, pairs: list[Pair], workdir: Path) -> list[Pair]:
        """Return pairs of the task's inputs; what must be made for that is written to `workdir`."""
        return pairs

    @abc.abstractmethod
    def check_pairs(
        self,
        contract: Contract,
        pairs: Sequence[Pair],
        inputs: Collection[str],
        protocols: Sequence[str],
    ) -> None:
        """Refuse what cannot be evaluated, before any image is enhanced.

        Args:
            contract: The model's.
            pairs: What it is evaluated on.
            inputs: The images that metrics are called with.
            protocols: Those asked for.

        Raises:
            UsageError: If a protocol or a metric's input is not one of this task.
        """

    @abc.abstractmethod
    def predict(
        self, engine: Engine, pair: Pair, inputs: Collection[str], protocols: Collection[str]
    ) -> dict[str, Images]:
        """Return protocol -> the images that metrics are called with, result and target included.

        Raises:
            UsageError: If a file cannot be read, or the engine cannot do it.
        """

    @abc.abstractmethod
    def read_previews(self, pair: Pair) -> list[np.ndarray]:
        """Return the images of `preview_columns`, (H, W, 3) float32 in [0, 1]."""

    @abc.abstractmethod
    def preview(self, engine: Engine, pair: Pair, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return an engine's result as (H, W, 3) float32, given what `read_previews` returned."""


class EnhancementEvaluation(EvaluationTask):
    """Of one camera: the result against its target, or alone."""

    def read_folder(
        self, folder: Path, *, with_targets: bool, report: Callable[[str], None]
    ) -> list[Pair]:
        """See `EvaluationTask`: low/ and high/, or images alone where no target is needed."""
        has_targets = (folder / "low").is_dir() and (folder / "high").is_dir()
        if with_targets or has_targets:
            return pairing.pair_folder(folder, report=report)
        return pairing.input_only_folder(folder)

    def check_pairs(
        self,
        contract: Contract,
        pairs: Sequence[Pair],
        inputs: Collection[str],
        protocols: Sequence[str],
    ) -> None:
        """Refuse nothing: any image will do. See `EvaluationTask`."""

    def predict(
        self, engine: Engine, pair: Pair, inputs: Collection[str], protocols: Collection[str]
    ) -> dict[str, Images]:
        """See `EvaluationTask`. All protocols get the same images."""
        cameras = multi_camera.read_cameras(pair, input_names(engine.contract, inputs))
        result = task_of(engine.contract).run(engine, cameras)
        first = next(iter(cameras.values()))
        images = {"low": first, "visible": first, **cameras, "enhanced": result, "fused": result}
        if "target" in inputs:
            images["target"] = image_io.load_image(pair.target).pixels
        images = {name: _as_metric_input(image) for name, image in images.items()}
        return {protocol: images for protocol in protocols}

    def read_previews(self, pair: Pair) -> list[np.ndarray]:
        """See `EvaluationTask`. An input that a pair lacks is shown as its first one."""
        names = list(self.preview_columns)
        if any(pair.path_of(name) is None for name in names):
            return [image_io.read_float_rgb(next(iter(pair.inputs.values())))] * len(names)
        images = map(dtypes.img_as_float32, multi_camera.read_cameras(pair, names).values())
        return [image.repeat(3 // image.shape[2], axis=2) for image in images]

    def preview(self, engine: Engine, pair: Pair, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """See `EvaluationTask`."""
        images = dict(zip(("visible", "infrared"), inputs, strict=False))
        return task_of(engine.contract).run(engine, images)


class FusionEvaluation(EnhancementEvaluation):
    """Of two cameras: the result against both of them."""

    metrics = FUSION_METRICS
    preview_columns: ClassVar = {"visible": "visible", "infrared": "infrared"}

    def read_folder(
        self, folder: Path, *, with_targets: bool, report: Callable[[str], None]
    ) -> list[Pair]:
        """See `EvaluationTask`: visible/ and infrared/."""
        return pairing.fusion_folder(folder, report=report)


class RawEvaluation(EvaluationTask):
    """Of RAW files: the developed image against its target, under a protocol of RAW."""

    protocols = fidelity.RAW_PROTOCOLS
    preview_columns: ClassVar = {exposure_pairs.RAW_PORT: "not amplified"}

    def default_protocol(self, contract: Contract) -> str:
        """Return that of the model's output size."""
        return raw_protocol.default_protocol(contract)

    def read_folder(
        self, folder: Path, *, with_targets: bool, report: Callable[[str], None]
    ) -> list[Pair]:
        """See `EvaluationTask`: raw/ and high/, short/ and long/, or photographs."""
        if not any((folder / side).is_dir() for side in (exposure_pairs.RAW_PORT, "short")):
            return pairing.target_only_folder(folder)
        pairs, unpaired = exposure_pairs.pair_raw_folder(folder)
        usable, problems = [], [f"{path} has no partner." for path in unpaired]
        for pair in pairs:
            try:
                exposure_pairs.exposure_ratio(pair)
            except UsageError as error:
                problems.append(str(error))
            else:
                usable.append(pair)
        if not usable:
            raise UsageError(problems[-1])
        for problem in problems:
            report(problem)
        return usable

    def prepare_pairs(self, pairs: list[Pair], workdir: Path) -> list[Pair]:
        """Return RAW pairs: these, or such as `lowlight-tf train` makes of photographs (seed 1)."""
        if all(exposure_pairs.RAW_PORT in pair.inputs for pair in pairs):
            return pairs
        return synthesize_raw_pairs(pairs, workdir / str(len(list(workdir.iterdir()))))

    def check_pairs(
        self,
        contract: Contract,
        pairs: Sequence[Pair],
        inputs: Collection[str],
        protocols: Sequence[str],
    ) -> None:
        """See `EvaluationTask`; the exposure ratio of each pair must be known, too."""
        raw_protocol.check_raw_protocol(contract, pairs, inputs, protocols)

    def predict(
        self, engine: Engine, pair: Pair, inputs: Collection[str], protocols: Collection[str]
    ) -> dict[str, Images]:
        """See `EvaluationTask`."""
        found = raw_protocol.protocol_images(
            engine, pair, list(protocols), target="target" in inputs
        )
        return {
            protocol: {
                name: _as_metric_input(image)
                for name, image in {**images, "fused": images["enhanced"]}.items()
            }
            for protocol, images in found.items()
        }

    def read_previews(self, pair: Pair) -> list[np.ndarray]:
        """Return the RAW file as LibRaw develops it, not amplified."""
        path = pair.inputs[exposure_pairs.RAW_PORT]
        developed = raw_image.develop_with_libraw(path, curve="srgb")
        return [dtypes.img_as_float32(raw_image.read_raw(path).metadata.orient(developed))]

    def preview(self, engine: Engine, pair: Pair, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """See `EvaluationTask`; under the engine's default protocol."""
        protocol = self.default_protocol(engine.contract)
        images = raw_protocol.protocol_images(engine, pair, [protocol], target=False)[protocol]
        return dtypes.img_as_float32(images["enhanced"])


EVALUATION_TASKS = {
    "enhance": EnhancementEvaluation(),
    "fuse": FusionEvaluation(),
    "raw_to_rgb": RawEvaluation(),
}
"""`Contract.task` -> how it is evaluated."""


def evaluation_of(*contracts: Contract, metric_inputs: Collection[str] = ()) -> EvaluationTask:
    """Return how a model is evaluated, or several in one table.

    Where one of them fuses, or a metric takes an infrared image, the pairs of the table are those
    of two cameras, of which an enhancer takes the first.
    """
    tasks = {contract.task for contract in contracts}
    if "infrared" in metric_inputs:
        tasks.add("fuse")
    order = ("raw_to_rgb", "fuse")
    return EVALUATION_TASKS[next((task for task in order if task in tasks), "enhance")]


def input_names(contract: Contract, metric_inputs: Iterable[str]) -> list[str]:
    """Return what is read of a pair: the model's inputs, and those that metrics take besides."""
    names = [port.name for port in contract.image_inputs]
    return [*names, *({"infrared"} & set(metric_inputs) - set(names))]


def _as_metric_input(image: np.ndarray) -> np.ndarray:
    """Return 16-bit pixels as float64 in [0, 1], which metrics round; others as they are."""
    # float64: a float32 on the border of two levels would be rounded to the other one.
    return image / np.float64(65535) if image.dtype == np.uint16 else image
