"""A weighted sum of named losses, each of which is logged by itself."""

from collections.abc import Callable, Mapping

from keras import KerasTensor, ops

from lowlight_tf import checks
from lowlight_tf.catalog import LOSSES, Loss
from lowlight_tf.checks import UsageError


class CompositeLoss:
    """Losses of the catalog, each with a weight.

    Args:
        weights: Loss -> weight.

    Attributes:
        weights: Loss -> weight.
        inputs: Names of the images that the losses are called with.

    Raises:
        UsageError: If there is none, a name is unknown or a weight is not positive.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        if not weights:
            raise UsageError("`losses` must name at least one loss with its weight.")
        for name, weight in weights.items():
            checks.check_positive(f"losses.{name}", weight)
        entries = {name: LOSSES.find(name) for name in weights}
        self.weights = dict(weights)
        self.inputs = {image for entry in entries.values() for image in entry.inputs}
        self._losses = {name: (_load_loss(entry), entry.inputs) for name, entry in entries.items()}

    def __call__(self, images: Mapping[str, KerasTensor]) -> dict[str, KerasTensor]:
        """Return each loss, averaged over the batch and not yet weighted.

        Args:
            images: All images of a batch by name: inputs, outputs, target; (B, H, W, C).
        """
        # The outputs of a model in half precision are in it; it cannot hold their differences.
        images = {name: ops.cast(image, "float32") for name, image in images.items()}
        return {
            name: ops.mean(loss(*(images[image] for image in inputs)))
            for name, (loss, inputs) in self._losses.items()
        }

    def total(self, losses: Mapping[str, KerasTensor]) -> KerasTensor:
        """Return the weighted sum, which is minimized."""
        return sum(self.weights[name] * value for name, value in losses.items())


def _load_loss(entry: Loss) -> Callable[..., KerasTensor]:
    """Return the loss; one with a model of its own is a class, built before a step is traced."""
    loss = entry.load()
    return loss() if isinstance(loss, type) else loss
