"""A fixed rig of two cameras: measured once by `lowlight-tf calibrate`, kept as JSON."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.imaging.registration.alignment import scale_matrix

ASPECT_RATIO_TOLERANCE = 0.01  # how much the ratio of width to height may differ from the calibrated one


@dataclasses.dataclass(frozen=True, eq=False)
class CameraRig:
    """How the infrared camera of a rig lies over its visible one.

    One matrix holds for what is far away: at a distance of d meters, cameras b meters apart see
    things b / d times the focal length (pixels) beside each other.

    Attributes:
        matrix: (3, 3), see `registration.Alignment`.
        visible_size: Height and width (pixels) of the visible pictures that it was measured with.
        infrared_size: The same of the infrared ones.
        residual_px: How far (pixels of the visible picture) they lay apart after that.
        score: Likeness of their edges after that.
        method: How it was measured.
        pairs: Of how many pairs.
    """

    matrix: np.ndarray
    visible_size: tuple[int, int]
    infrared_size: tuple[int, int]
    residual_px: float
    score: float
    method: str
    pairs: int

    def homography_for(self, visible_size: tuple[int, int], infrared_size: tuple[int, int]) -> np.ndarray:
        """Return the matrix for pictures of other sizes of the same cameras.

        Args:
            visible_size: Height and width (pixels).
            infrared_size: The same.

        Raises:
            UsageError: If one is not as wide for its height as the calibrated one.
        """
        for name, old, new in (
            ("visible", self.visible_size, visible_size),
            ("infrared", self.infrared_size, infrared_size),
        ):
            if abs(old[1] / old[0] * new[0] / new[1] - 1) > ASPECT_RATIO_TOLERANCE:
                raise UsageError(
                    f"The rig was calibrated with {name} pictures of {old[0]}x{old[1]} (height x "
                    f"width). Received: {new[0]}x{new[1]}, which is of another shape. Calibrate it "
                    "again with such pictures."
                )
        return (
            scale_matrix(self.visible_size, visible_size)
            @ self.matrix
            @ scale_matrix(infrared_size, self.infrared_size)
        )

    def save(self, path: Path) -> None:
        """Write the rig as JSON, whole or not at all."""
        fields = dataclasses.asdict(self) | {"matrix": self.matrix.tolist()}
        with atomic_write(path) as part:
            part.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "CameraRig":
        """Read what `save` wrote.

        Raises:
            UsageError: If the file is not there, or is not the calibration of a rig.
        """
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            fields["matrix"] = np.array(fields["matrix"], np.float64).reshape(3, 3)
            sizes = {key: tuple(map(int, fields[key])) for key in ("visible_size", "infrared_size")}
            rig = cls(**fields | sizes)
            if not (all(len(size) == 2 for size in sizes.values()) and np.linalg.det(rig.matrix)):
                raise ValueError("a size or the matrix is none")
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{path} is not the calibration of a rig: {error}. "
                "`lowlight-tf calibrate` writes one."
            ) from None
        return rig
