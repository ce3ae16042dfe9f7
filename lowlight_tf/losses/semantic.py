"""A semantic loss of fusion: a detector's scores for the fused image against its sources."""

from keras import KerasTensor, ops

from lowlight_tf.models.nanodet import NUM_CLASSES, STRIDES, nanodet

ROAD_CLASSES = (0, 1, 2, 3, 5, 7)
"""Indices in COCO of person, bicycle, car, motorcycle, bus and truck."""

EPSILON = 1e-6
"""Probabilities are clipped to [EPSILON, 1 - EPSILON] before their logarithm is taken."""


class DetectorConsistency:
    """Quality focal loss of a frozen detector's class scores for the fused image.

    The target is, for every grid cell and every class of road user, the maximum of the scores for
    the two sources. Each cross-entropy is weighed by the squared difference of the scores, and the
    sum is divided by 1 plus the sum of the targets. The detector (`models.nanodet`) is created once
    and not trained. It receives the images at half their resolution, so that the size of objects is
    closer to that in a full scene downscaled to its input size.

    Reference:
        Li et al., "Generalized Focal Loss", NeurIPS 2020, the quality focal loss, with which the
        detector was trained. Its use for fusion is our own, for AMFusion (see `models.am_fusion`),
        whose equations were not available.
    """

    def __init__(self) -> None:
        self._detector = nanodet()

    def __call__(
        self, visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor
    ) -> KerasTensor:
        """Return the loss of each image.

        Args:
            visible: (B, H, W, 1) in [0, 1]; padded by reflection (symmetric) at the right and
                bottom to multiples of 64.
            infrared: Same shape and range.
            fused: Same shape and range.

        Returns:
            (B,); lower is better.
        """
        target = ops.maximum(self._scores(visible), self._scores(infrared))
        target, scores = ops.stop_gradient(target), self._scores(fused)
        clipped = ops.clip(scores, EPSILON, 1 - EPSILON)
        cross_entropy = -(target * ops.log(clipped) + (1 - target) * ops.log(1 - clipped))
        loss = ops.sum(ops.square(target - scores) * cross_entropy, axis=(1, 2))
        return loss / (1 + ops.sum(target, axis=(1, 2)))

    def _scores(self, image: KerasTensor) -> KerasTensor:
        """Return the scores (B, grid cells, classes) in [0, 1] for an image (B, H, W, 1)."""
        bottom, right = (-side % (2 * STRIDES[-1]) for side in image.shape[1:3])
        image = ops.pad(image, [(0, 0), (0, bottom), (0, right), (0, 0)], mode="symmetric")
        rgb = ops.repeat(ops.average_pool(image, 2), 3, axis=-1)
        outputs = self._detector(rgb, training=False)
        scores = [outputs[f"classes{stride}"] for stride in STRIDES]
        flat = [ops.reshape(x, (-1, x.shape[1] * x.shape[2], NUM_CLASSES)) for x in scores]
        return ops.take(ops.concatenate(flat, axis=1), ROAD_CLASSES, axis=-1)
