"""Running a model whose images are folded into channels by the host."""

import numpy as np

from lowlight_tf.contract import Contract
from lowlight_tf.runtime.engine import DelegatingEngine, Engine, Images


class PackedEngine(DelegatingEngine):
    """An engine with packed ports as one that takes and returns images as they are.

    Args:
        engine: The model, see `tflite_graph.packed_ports`.

    Attributes:
        contract: Its contract without blocks.
        engine: The model.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.contract, self.weights = engine.contract.unpacked, engine.weights

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        results = self.engine(pack_images(images, self.engine.contract))
        return {
            port.name: _unfold(results[port.name], port.block)
            for port in self.engine.contract.outputs
        }


def unpack_ports(engine: Engine) -> Engine:
    """Return an engine that takes images as they are: the engine itself if its ports do."""
    return engine if engine.contract == engine.contract.unpacked else PackedEngine(engine)


def pack_images(images: Images, contract: Contract) -> Images:
    """Return the inputs of a model with packed ports, in blocks, for images as they are."""
    return {port.name: fold_image(images[port.name], port.block) for port in contract.inputs}


def fold_image(image: np.ndarray, block: int) -> np.ndarray:
    """Return (B, H, W, C) in blocks, (B, H / n, W / n, n n C)."""
    if block == 1:
        return image
    batch, height, width, channels = image.shape
    rows, columns = height // block, width // block
    blocks = image.reshape(batch, rows, block, columns, block, channels)
    return blocks.swapaxes(2, 3).reshape(batch, rows, columns, -1)


def _unfold(blocks: np.ndarray, block: int) -> np.ndarray:
    """Return (B, H, W, C) for (B, H / n, W / n, n n C)."""
    if block == 1:
        return blocks
    batch, rows, columns, _ = blocks.shape
    image = blocks.reshape(batch, rows, columns, block, block, -1).swapaxes(2, 3)
    return image.reshape(batch, rows * block, columns * block, -1)
