"""A loss that looks as a detector does: what it finds in either picture it shall find in both."""

from keras import KerasTensor, ops

from lowlight_tf.models.nanodet import CLASSES, STRIDES, nanodet

ROAD_CLASSES = (0, 1, 2, 3, 5, 7)
"""People, bicycles, cars, motorcycles, buses and trucks, as COCO numbers them."""

DETECTOR_INPUT_SIZE = 1e-6  # probability below which logarithms stop


class DetectorConsistency:
    """How unlike the scores are that a frozen detector gives to the fused picture.

    Wanted is, for every place and every kind of thing that moves on a road, the higher of the
    scores that it gives to the two sources. What differs much counts more: each cross-entropy is
    weighed by the square of the difference. The sum is divided by one more than all that is wanted.
    The detector (`models.nanodet`) is made once, and never learns. It is shown the pictures at half
    their size, nearer to the size of things in a whole scene that was shrunk to fit it.

    Reference:
        The weighing is the quality focal loss of Li et al., "Generalized Focal Loss", NeurIPS 2020,
        by which the detector was trained. That a fusion be judged so is ours, for AMFusion (see
        `models.am_fusion`), whose equations were not to be had.
    """

    def __init__(self) -> None:
        self._detector = nanodet()

    def __call__(
        self, visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor
    ) -> KerasTensor:
        """Return the loss of each picture.

        Args:
            visible: (B, H, W, 1) in [0, 1], mirrored at the right and below where H or W is no
                multiple of 64.
            infrared: Same shape and range.
            fused: Same shape and range.

        Returns:
            (B,); lower is better.
        """
        wanted = ops.maximum(self._scores(visible), self._scores(infrared))
        wanted, given = ops.stop_gradient(wanted), self._scores(fused)
        clipped = ops.clip(given, DETECTOR_INPUT_SIZE, 1 - DETECTOR_INPUT_SIZE)
        entropy = -(wanted * ops.log(clipped) + (1 - wanted) * ops.log(1 - clipped))
        unlike = ops.sum(ops.square(wanted - given) * entropy, axis=(1, 2))
        return unlike / (1 + ops.sum(wanted, axis=(1, 2)))

    def _scores(self, picture: KerasTensor) -> KerasTensor:
        """Return (B, places, kinds) in [0, 1] of a picture of one channel."""
        below, right = (-side % (2 * STRIDES[-1]) for side in picture.shape[1:3])
        picture = ops.pad(picture, [(0, 0), (0, below), (0, right), (0, 0)], mode="symmetric")
        small = ops.repeat(ops.average_pool(picture, 2), 3, axis=-1)
        found = self._detector(small, training=False)
        scores = [found[f"classes{stride}"] for stride in STRIDES]
        flat = [ops.reshape(part, (-1, part.shape[1] * part.shape[2], CLASSES)) for part in scores]
        return ops.take(ops.concatenate(flat, axis=1), ROAD_CLASSES, axis=-1)
