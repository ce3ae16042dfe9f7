"""Space-to-depth, depth-to-space, twofold enlargement and clips, for images of any size."""

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class SpaceToDepth(keras.layers.Layer):
    """Fold blocks of `block` x `block` pixels into channels.

    (B, H, W, C) -> (B, ceil(H / block), ceil(W / block), C * block**2). An image whose size is not
    a multiple of `block` is first padded by reflection (symmetric) at its bottom and right border;
    a graph of a fixed size that is a multiple contains no such operation.

    Args:
        block: Side of the blocks (pixels).
    """

    def __init__(self, block: int = 2, **options) -> None:
        super().__init__(**options)
        self.block = block

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Fold one batch."""
        x = inputs
        for axis in (1, 2):
            length = ops.shape(x)[axis]
            missing = -length % self.block
            if not isinstance(missing, int) or missing:
                x = ops.concatenate([x, self._reflect(x, axis, missing)], axis)
        return ops.space_to_depth(x, self.block)

    def _reflect(self, x: KerasTensor, axis: int, missing: int | KerasTensor) -> KerasTensor:
        """Return the first `missing` rows or columns beyond the bottom or right border."""

        def first(image: KerasTensor, count: int | KerasTensor) -> KerasTensor:
            return image[:, :count] if axis == 1 else image[:, :, :count]

        reflected = ops.flip(x, axis)
        if x.shape[axis] is None or x.shape[axis] < missing:  # it may reach the opposite border
            sides = [first(reflected, self.block), first(x, self.block)]
            reflected = ops.concatenate(sides * -(-self.block // 2), axis)
        return first(reflected, missing)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape after folding."""
        batch, height, width, channels = shape
        sides = (None if side is None else -(-side // self.block) for side in (height, width))
        return (batch, *sides, channels * self.block**2)

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "block": self.block}


@keras.saving.register_keras_serializable("lowlight_tf")
class DepthToSpace(keras.layers.Layer):
    """Unfold channels into blocks of `block` x `block` pixels, cropped to a reference tensor.

    Called on [x, like]: (B, H, W, C) -> (B, H', W', C / block**2), where H' and W' are those of
    `like` and at most `block` times H and W; called on x alone, they are exactly that. A transposed
    convolution of size and stride `block` is a 1x1 convolution followed by this layer, in half the
    time.

    Args:
        block: Side of the blocks (pixels).
    """

    def __init__(self, block: int = 2, **options) -> None:
        super().__init__(**options)
        self.block = block

    def call(self, inputs: KerasTensor | list[KerasTensor]) -> KerasTensor:
        """Unfold one batch."""
        if not isinstance(inputs, list):
            return ops.depth_to_space(inputs, self.block)
        x, like = inputs
        x = ops.depth_to_space(x, self.block)
        _, height, width, _ = ops.shape(like)
        if x.shape[1:3] == like.shape[1:3] and None not in x.shape[1:3]:
            return x  # nothing to crop, and no operation for it in the graph
        return x[:, :height, :width]

    def compute_output_shape(self, shapes: list) -> tuple[int | None, ...]:
        """Return the shape after unfolding."""
        if not isinstance(shapes[0], (list, tuple)):
            batch, *sides, channels = shapes
            sides = (None if side is None else side * self.block for side in sides)
            return (batch, *sides, channels // self.block**2)
        (batch, _, _, channels), (_, height, width, _) = shapes
        return (batch, height, width, channels // self.block**2)

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "block": self.block}


@keras.saving.register_keras_serializable("lowlight_tf")
class SplitFrames(keras.layers.Layer):
    """Split images that hold the frames of a clip, below each other, into a list of frames.

    (B, frames * H, W, C) -> [(B, H, W, C), ...]. Rows beyond the last full frame are left out.

    Args:
        frames: Number of frames.
    """

    def __init__(self, frames: int, **options) -> None:
        super().__init__(**options)
        self.frames = frames

    def call(self, inputs: KerasTensor) -> list[KerasTensor]:
        """Split one batch."""
        height = ops.shape(inputs)[1] // self.frames
        return [inputs[:, n * height : (n + 1) * height] for n in range(self.frames)]

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> list[tuple[int | None, ...]]:
        """Return the shape of a frame, as often as there are frames."""
        batch, height, *rest = shape
        return [(batch, height and height // self.frames, *rest)] * self.frames

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "frames": self.frames}


@keras.saving.register_keras_serializable("lowlight_tf")
class EnlargeLinear(keras.layers.Layer):
    """Enlarge twofold by linear interpolation, cropped to a reference tensor.

    Called on [x, like]: (B, H, W, C) -> (B, H', W', C), where H' and W' are those of `like`, at
    most 2 H and 2 W. On a device it is one operation, which neural processors have, unlike
    `DepthToSpace`.
    """

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Enlarge one batch."""
        x, like = inputs
        _, height, width, _ = ops.shape(like)
        if None in x.shape[1:3]:  # which `ops.image.resize` refuses
            x = enlarge_linearly(x)
        else:
            size = 2 * x.shape[1], 2 * x.shape[2]
            x = ops.image.resize(x, size, "bilinear", data_format="channels_last")
            if size == (height, width):
                return x  # nothing to crop, and no operation for it in the graph
        return x[:, :height, :width]

    def compute_output_shape(self, shapes: list) -> tuple[int | None, ...]:
        """Return the shape after enlarging."""
        (batch, _, _, channels), (_, height, width, _) = shapes
        return (batch, height, width, channels)


def enlarge_linearly(x: KerasTensor) -> KerasTensor:
    """Enlarge twofold by interpolation between the centers of pixels: (B, H, W, C) of any size."""
    for axis in (1, 2):
        edges = [x[:, :1], x[:, -1:]] if axis == 1 else [x[:, :, :1], x[:, :, -1:]]
        padded = ops.concatenate([edges[0], x, edges[1]], axis)
        before = padded[:, :-2] if axis == 1 else padded[:, :, :-2]
        after = padded[:, 2:] if axis == 1 else padded[:, :, 2:]
        pairs = ops.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis + 1)
        batch, height, width, channels = ops.shape(x)
        sides = (2 * height, width) if axis == 1 else (height, 2 * width)
        x = ops.reshape(pairs, (batch, *sides, channels))
    return x
