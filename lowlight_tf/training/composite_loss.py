"""A weighted sum of named losses, each of which can be looked at by itself."""

from collections.abc import Callable, Mapping

from keras import KerasTensor, ops

from lowlight_tf import checks
from lowlight_tf.catalog import LOSSES, Loss
from lowlight_tf.checks import UsageError


class CompositeLoss:
    """What a net is judged by: losses of the catalog, each with a weight.

    Args:
        weights: Loss -> weight.

    Attributes:
        weights: Loss -> weight.
        takes: Names of the images that the losses are called with.

    Raises:
        UsageError: If there is none, a name is unknown or a weight is not positive.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        if not weights:
            raise UsageError("`objective` must name at least one loss with its weight.")
        for name, weight in weights.items():
            checks.check_positive(f"objective.{name}", weight)
        entries = {name: LOSSES.find(name) for name in weights}
        self.weights = dict(weights)
        self.takes = {image for entry in entries.values() for image in entry.inputs}
        self._losses = {name: (_made(entry), entry.inputs) for name, entry in entries.items()}

    def __call__(self, images: Mapping[str, KerasTensor]) -> dict[str, KerasTensor]:
        """Return each loss, averaged over the batch and not yet weighted.

        Args:
            images: All that is known of a batch by name: ports, outputs, target; (B, H, W, C).
        """
        # A net in half precision answers in it; differences of images do not fit there.
        images = {name: ops.cast(image, "float32") for name, image in images.items()}
        return {
            name: ops.mean(loss(*(images[taken] for taken in takes)))
            for name, (loss, takes) in self._losses.items()
        }

    def total(self, losses: Mapping[str, KerasTensor]) -> KerasTensor:
        """Return the weighted sum that is made small."""
        return sum(self.weights[name] * value for name, value in losses.items())


def _made(entry: Loss) -> Callable[..., KerasTensor]:
    """Return the loss; one with a net of its own is a class, made before any step is traced."""
    loss = entry.load()
    return loss() if isinstance(loss, type) else loss
