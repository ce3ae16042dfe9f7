"""What a model takes and returns. Read by training, export and the device."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import read_json, write_json
from lowlight_tf.legacy_names import PORT_FIELDS, rename_keys

EXPLANATION_SUFFIX = "_map"
"""Suffix of outputs that explain a result, such as attention: (B, h, w, 1) or (B, h, w, 3) in
[0, 1]. No contract names them, and they go into exported files."""

CONTROL = "control"
"""Color space of ports that are no images but settings, in [0, 1]; an application that does not
know them leaves zeros there."""

YUV = "yuv709_limited"
"""Color space of luma and chroma as most video has them: BT.709 in bytes of which 16 is black and
235 is white. As numbers 16 is 0 and 235 is 1, in chroma as well; its gray, 128, is 112 / 219."""

DEPLOYED = "deployed"
"""Name of the model inside a model that is deployed with other ports than it is trained with."""

MAX_BRIGHTNESS_EV = 2.0
"""Largest brightening and darkening that a port called `brightness` stands for (EV)."""


@dataclasses.dataclass(frozen=True)
class Port:
    """One named input or output image of a model, float32 in [0, 1].

    Attributes:
        name: Key of the image in every batch, every signature and every card.
        channels: 3 for color, 1 for infrared or luma, 4 for packed Bayer.
        color_space: "srgb", "linear", "bayer", "thermal", "control", or `YUV`.
        size: Height and width (pixels) of a thumbnail: a port that always gets the full image,
            resized to this, however large the image and whatever part of it the other ports get.
            None for a port that gets the pixels themselves.
        thumbnail_of: The port whose image a thumbnail is of; "" for the first.
        subsampling: Pixels of the image for one of this plane, vertically and horizontally: 2 for
            the chroma of 4:2:0 video.
        block: Side of the blocks of pixels that whoever calls folds into channels, see
            `tflite_graph.packed_ports`; 1 for images as they are.
        state_of: The output that a state is the last value of; "" for a port that is none.
    """

    name: str
    channels: int
    color_space: str = "srgb"
    size: tuple[int, int] | None = None
    thumbnail_of: str = ""
    subsampling: int = 1
    block: int = 1
    state_of: str = ""

    @property
    def levels(self) -> tuple[int, int]:
        """The bytes that stand for 0 and 1 in images of uint8."""
        return (16, 235) if self.color_space == YUV else (0, 255)

    @property
    def value_range(self) -> tuple[float, float]:
        """The numbers that the bytes 0 and 255 stand for."""
        black, white = self.levels
        return -black / (white - black), (255 - black) / (white - black)

    def shape(self, size: tuple[int | None, int | None]) -> tuple[int | None, int | None, int]:
        """Return (height, width, channels) of its image where an image has `size`."""
        step = self.subsampling * self.block
        sides = self.size or (side and -(-side // step) for side in size)
        return (*sides, self.channels * self.block**2)


@dataclasses.dataclass(frozen=True)
class Contract:
    """The ports of a model and the sizes that it accepts.

    Attributes:
        inputs: Input ports; those that are no thumbnails have one height and width (pixels).
        outputs: Output ports. Further outputs serve losses only, or explain (`EXPLANATION_SUFFIX`).
        multiple_of: Height and width must be multiples of this (pixels).
        scale: Output size divided by input size; 2 for packed Bayer.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    multiple_of: int = 1
    scale: int = 1

    @property
    def image_inputs(self) -> tuple[Port, ...]:
        """The inputs that get the pixels themselves."""
        return tuple(port for port in self.inputs if not port.size and not port.state_of)

    @property
    def states(self) -> tuple[Port, ...]:
        """The inputs that get what the model returned for the frame before; zeros are none."""
        return tuple(port for port in self.inputs if port.state_of)

    @property
    def thumbnail_inputs(self) -> tuple[Port, ...]:
        """The inputs that get a full image, resized."""
        return tuple(port for port in self.inputs if port.size and port.color_space != CONTROL)

    @property
    def controls(self) -> tuple[Port, ...]:
        """The inputs that are settings of the user, not images; all zeros is automatic."""
        return tuple(port for port in self.inputs if port.color_space == CONTROL)

    @property
    def task(self) -> str:
        """What the model is for: "enhance", "fuse" or "raw_to_rgb", see `runtime.tasks`."""
        if self.is_raw:
            return "raw_to_rgb"
        return "fuse" if self.is_fusion else "enhance"

    @property
    def is_fusion(self) -> bool:
        """Whether it takes the images of two cameras."""
        return len(self.image_inputs) > 1 and not self.is_planar

    @property
    def is_planar(self) -> bool:
        """Whether it takes luma and chroma as images of their own."""
        return self.image_inputs[0].color_space == YUV

    @property
    def is_raw(self) -> bool:
        """Whether it takes packed Bayer pixels."""
        return self.image_inputs[0].color_space == "bayer"

    @property
    def unpacked(self) -> "Contract":
        """The contract of the same model with images as they are at all ports."""
        sides = {
            side: tuple(dataclasses.replace(port, block=1) for port in getattr(self, side))
            for side in ("inputs", "outputs")
        }
        return dataclasses.replace(self, **sides)

    def round_up(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the smallest height and width of at least `size` that are accepted."""
        height, width = (-(-side // self.multiple_of) * self.multiple_of for side in size)
        return height, width

    def source_of(self, thumbnail: Port) -> str:
        """Return the name of the port whose image a thumbnail port gets."""
        return thumbnail.thumbnail_of or self.image_inputs[0].name

    def save(self, path: Path) -> None:
        """Write the contract as JSON into a run folder."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Contract":
        """Read a contract that `save` wrote, also one of version 0.1.0."""
        if not path.exists():
            raise UsageError(f"No contract at {path}. Train or export writes one; pass its folder.")
        return cls.from_dict(read_json(path))

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Contract":
        """Build a contract from the plain dictionary that JSON holds."""
        sides = {side: tuple(map(_port_from_dict, fields[side])) for side in ("inputs", "outputs")}
        return cls(**{**fields, **sides})


def _port_from_dict(fields: Mapping[str, Any]) -> Port:
    fields = rename_keys(fields, PORT_FIELDS)
    size = fields.get("size")
    return Port(**{**fields, "size": size and tuple(size)})


ENHANCE = Contract((Port("low", 3),), (Port("enhanced", 3),))
ENHANCE_WITH_THUMBNAIL = Contract(
    (Port("low", 3), Port("thumbnail", 3, size=(128, 192))), (Port("enhanced", 3),), multiple_of=8
)

ENHANCE_WITH_BRIGHTNESS = Contract(
    (*ENHANCE_WITH_THUMBNAIL.inputs, Port("brightness", 2, CONTROL, size=(1, 1))),
    ENHANCE_WITH_THUMBNAIL.outputs,
    multiple_of=16,
)
"""`brightness` is (EV, 0) / MAX_BRIGHTNESS_EV to brighten, (0, -EV) / MAX_BRIGHTNESS_EV to darken:
zero bytes mean automatic in every number format."""

ENHANCE_PLANES = Contract(
    (
        Port("luma", 1, YUV),
        Port("chroma", 2, YUV, subsampling=2),
        Port("planes_thumbnail", 3, YUV, size=(128, 192)),
        Port("brightness", 2, CONTROL, size=(1, 1)),
    ),
    (Port("enhanced_luma", 1, YUV), Port("enhanced_chroma", 2, YUV, subsampling=2)),
    multiple_of=16,
)
"""Chroma is (Cb, Cr); the thumbnail is (Y, Cb, Cr)."""

MEMORY = "memory"
"""Name of the setting of how much a model takes from the frames before: 0 nothing, 1 as much as it
was trained to."""

ENHANCE_PLANES_OVER_TIME = Contract(
    (
        *ENHANCE_PLANES.inputs,
        Port(MEMORY, 1, CONTROL, size=(1, 1)),
        Port("past_luma", 16, YUV, subsampling=4, state_of="filtered_luma"),
        Port("past_chroma", 8, YUV, subsampling=4, state_of="filtered_chroma"),
    ),
    (
        *ENHANCE_PLANES.outputs,
        Port("filtered_luma", 16, YUV, subsampling=4),
        Port("filtered_chroma", 8, YUV, subsampling=4),
    ),
    multiple_of=16,
)
"""States are the planes in blocks of 4x4 pixels; zero bytes at the last three inputs make the model
one of single images."""

DETECTOR_INPUT_SIZE = (320, 416)
"""Height and width (pixels) of the thumbnails that a detector inside a model gets."""

VISIBLE, INFRARED, FUSED = Port("visible", 1), Port("infrared", 1, "thermal"), Port("fused", 1)

FUSE = Contract((VISIBLE, INFRARED), (FUSED,), multiple_of=4)
FUSE_WITH_THUMBNAILS = Contract(
    (
        VISIBLE,
        INFRARED,
        # Names that shipped files bear.
        Port("visible_glance", 1, size=DETECTOR_INPUT_SIZE, thumbnail_of="visible"),
        Port("infrared_glance", 1, "thermal", size=DETECTOR_INPUT_SIZE, thumbnail_of="infrared"),
    ),
    (FUSED,),
    multiple_of=16,
)

RAW, RGB = Port("raw", 4, "bayer"), Port("enhanced", 3)

RAW_TO_RGB = Contract((RAW,), (RGB,), multiple_of=16, scale=2)
RAW_TO_RGB_HALF = Contract((RAW,), (RGB,), multiple_of=16)
