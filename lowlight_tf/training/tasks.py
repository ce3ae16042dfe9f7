"""How models of each task are trained: their pairs, metrics and images for a GAN."""

import abc
from collections.abc import Callable, Sequence
from pathlib import Path

from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.datasets import exposure_pairs, pairing, synthetic
from lowlight_tf.datasets.dataset_card import DatasetCard
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.datasets.synthetic_raw import synthesize_raw_pairs
from lowlight_tf.evaluation.tasks import FUSION_METRICS


class TrainingTask(abc.ABC):
    """How models of one task are trained.

    Attributes:
        data_requirement: What their data sets must have, for messages.
        monitors: Metrics that can select the best model.
    """

    data_requirement: str = "images with targets"
    monitors: Sequence[str] = ("psnr", "ssim", "lpips")

    @abc.abstractmethod
    def read_folder(
        self, folder: Path, recipe: Recipe, report: Callable[[str], None]
    ) -> list[Pair]:
        """Read the pairs of a folder.

        Args:
            folder: Its layout is that of this task.
            recipe: Of the run.
            report: Called with one line for each image without a partner.

        Raises:
            UsageError: If the folder has none.
        """

    def write_samples(self, folder: Path) -> Path:
        """Write the sample pairs of the package; return the folder that holds train/ and val/."""
        return synthetic.sample_pairs(folder)

    def accepts(self, card: DatasetCard) -> bool:
        """Return whether a data set has the images that this task needs."""
        return len(card.inputs) <= 1 and bool(card.target)

    def prepare_pairs(self, pairs: list[Pair], folder: Path, seed: int) -> list[Pair]:
        """Return pairs with the model's inputs; files synthesized for them go to `folder`."""
        return pairs

    def min_image_size(self, crop_size: int) -> int:
        """Return the smallest side (pixels) of an image that a crop fits into."""
        return crop_size

    def validation_metrics(self, monitor: str) -> Sequence[str]:
        """Return the metrics of each validation; LPIPS, the slowest, only if it is monitored."""
        return tuple(dict.fromkeys(("psnr", "ssim", monitor)))

    def real_images(self, contract: Contract) -> tuple[str, ...]:
        """Return the names of the images that are real to a discriminator."""
        return ("target",)


class EnhancementTraining(TrainingTask):
    """On pairs of a dark image and its target, or on targets darkened in the pipeline."""

    def read_folder(
        self, folder: Path, recipe: Recipe, report: Callable[[str], None]
    ) -> list[Pair]:
        """See `TrainingTask`."""
        if recipe.pipeline.synthesize_night:
            return pairing.target_only_folder(folder)
        return pairing.pair_folder(folder, report=report)


class FusionTraining(TrainingTask):
    """On aligned images of two cameras, without targets."""

    data_requirement = "two cameras"
    monitors = FUSION_METRICS

    def read_folder(
        self, folder: Path, recipe: Recipe, report: Callable[[str], None]
    ) -> list[Pair]:
        """See `TrainingTask`."""
        return pairing.fusion_folder(folder, report=report)

    def write_samples(self, folder: Path) -> Path:
        """See `TrainingTask`."""
        return synthetic.sample_camera_pairs(folder)

    def accepts(self, card: DatasetCard) -> bool:
        """See `TrainingTask`."""
        return len(card.inputs) > 1

    def validation_metrics(self, monitor: str) -> Sequence[str]:
        """Return all metrics of fusion."""
        return FUSION_METRICS

    def real_images(self, contract: Contract) -> tuple[str, ...]:
        """Return the images of both cameras."""
        return tuple(port.name for port in contract.image_inputs)


class RawTraining(TrainingTask):
    """On RAW files with targets, or on RAW files synthesized from photographs."""

    def read_folder(
        self, folder: Path, recipe: Recipe, report: Callable[[str], None]
    ) -> list[Pair]:
        """See `TrainingTask`. A folder without RAW files is read as photographs."""
        if not any((folder / side).is_dir() for side in (exposure_pairs.RAW_PORT, "short")):
            return pairing.target_only_folder(folder)
        pairs, unpaired = exposure_pairs.pair_raw_folder(folder)
        for path in unpaired:
            report(f"{path} has no partner and is left out")
        return pairs

    def prepare_pairs(self, pairs: list[Pair], folder: Path, seed: int) -> list[Pair]:
        """See `TrainingTask`. RAW pairs stay; one is synthesized from each photograph."""
        photographs = [pair for pair in pairs if exposure_pairs.RAW_PORT not in pair.inputs]
        if not photographs:
            return pairs
        synthesized = iter(synthesize_raw_pairs(photographs, folder, seed=seed))
        return [
            pair if exposure_pairs.RAW_PORT in pair.inputs else next(synthesized) for pair in pairs
        ]

    def min_image_size(self, crop_size: int) -> int:
        """Return the crop's side in sensor pixels, with a shift of at most one CFA period."""
        return 2 * (crop_size + 1)


TRAINING_TASKS = {
    "enhance": EnhancementTraining(),
    "fuse": FusionTraining(),
    "raw_to_rgb": RawTraining(),
}
"""`Contract.task` -> how it is trained."""


def training_of(contract: Contract) -> TrainingTask:
    """Return how a model of this contract is trained."""
    return TRAINING_TASKS[contract.task]
