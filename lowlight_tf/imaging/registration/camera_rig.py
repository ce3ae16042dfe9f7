"""Calibration of a fixed rig of two cameras, as `lowlight-tf calibrate` writes it (JSON)."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.imaging.registration.homography import scale_matrix

ASPECT_RATIO_TOLERANCE = 0.01  # relative


@dataclasses.dataclass(frozen=True, eq=False)
class CameraRig:
    """Homography from the infrared camera of a rig to its visible one.

    It holds for distant objects: at a distance of d meters, cameras b meters apart have a parallax
    of b / d times the focal length (pixels).

    Attributes:
        matrix: (3, 3), see `alignment.Alignment`.
        visible_size: Height and width (pixels) of the visible images of the calibration.
        infrared_size: The same of the infrared ones.
        residual_px: Residual of the calibration (pixels of the visible image).
        score: Correlation of the aligned edge maps.
        method: Registration method.
        pairs: Number of pairs.
    """

    matrix: np.ndarray
    visible_size: tuple[int, int]
    infrared_size: tuple[int, int]
    residual_px: float
    score: float
    method: str
    pairs: int

    def homography_for(
        self, visible_size: tuple[int, int], infrared_size: tuple[int, int]
    ) -> np.ndarray:
        """Return the (3, 3) homography for images of other sizes of the same cameras.

        Args:
            visible_size: Height and width (pixels).
            infrared_size: Height and width (pixels).

        Raises:
            UsageError: If an aspect ratio differs from that of the calibration.
        """
        for name, old, new in (
            ("visible", self.visible_size, visible_size),
            ("infrared", self.infrared_size, infrared_size),
        ):
            if abs(old[1] / old[0] * new[0] / new[1] - 1) > ASPECT_RATIO_TOLERANCE:
                raise UsageError(
                    f"The rig was calibrated with {name} images of {old[0]}x{old[1]} (height x "
                    f"width). Received: {new[0]}x{new[1]}, of another aspect ratio. Calibrate it "
                    "again with such images."
                )
        return (
            scale_matrix(self.visible_size, visible_size)
            @ self.matrix
            @ scale_matrix(infrared_size, self.infrared_size)
        )

    def save(self, path: Path) -> None:
        """Write the rig as JSON, atomically."""
        fields = dataclasses.asdict(self) | {"matrix": self.matrix.tolist()}
        with atomic_write(path) as part:
            part.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "CameraRig":
        """Read a rig that `save` wrote.

        Raises:
            UsageError: If the file is missing, or is not the calibration of a rig.
        """
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            fields["matrix"] = np.array(fields["matrix"], np.float64).reshape(3, 3)
            sizes = {key: tuple(map(int, fields[key])) for key in ("visible_size", "infrared_size")}
            rig = cls(**fields | sizes)
            if not (all(len(size) == 2 for size in sizes.values()) and np.linalg.det(rig.matrix)):
                raise ValueError("a size is incomplete or the matrix is singular")
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{path} is not the calibration of a rig: {error}. "
                "Write one with `lowlight-tf calibrate`."
            ) from None
        return rig
