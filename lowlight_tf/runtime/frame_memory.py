"""What a model remembers from frame to frame."""

import numpy as np

from lowlight_tf.contract import MEMORY, Contract
from lowlight_tf.runtime.engine import Images


class FrameMemory:
    """The states of a model: what it returned for one frame is what it gets with the next.

    Args:
        contract: Its ports.
        size: Height and width of the frames (pixels).
        dtype: Number format of the states: that of the file, whose values they are.
    """

    def __init__(
        self, contract: Contract, size: tuple[int, int], dtype: type[np.generic] | np.dtype
    ) -> None:
        self._ports, size = contract.states, contract.round_up(size)
        self._past, self._next = (
            {port.name: np.zeros((1, *port.shape(size)), dtype) for port in self._ports}
            for _ in range(2)
        )
        self._is_empty = True

    @property
    def inputs(self) -> Images:
        """Inputs of the model that carry the past; of the first frame none."""
        setting = np.full((1, 1, 1, 1), not self._is_empty, np.float32)
        return {MEMORY: setting, **self._past}

    @property
    def outputs(self) -> Images:
        """Output name -> array that the model has to write its state into."""
        return {port.state_of: self._next[port.name] for port in self._ports}

    def step(self, results: Images | None = None) -> None:
        """Go on to the next frame.

        Args:
            results: The model's outputs; None if it has written into `outputs`.
        """
        self._past, self._next = self._next, self._past
        if results:
            self._past = {port.name: results[port.state_of] for port in self._ports}
        self._is_empty = False

    def forget(self) -> None:
        """Begin anew: the next frame is the first."""
        self._is_empty = True


def zero_states(contract: Contract, size: tuple[int, int], dtype: np.dtype, count: int) -> Images:
    """Return the inputs that make a model with states one of single images.

    Args:
        contract: Its ports.
        size: Height and width of the images (pixels).
        dtype: Their number format.
        count: Number of images.
    """
    ports = [port for port in contract.inputs if port.state_of or port.name == MEMORY]
    return {port.name: np.zeros((count, *port.shape(port.size or size)), dtype) for port in ports}
