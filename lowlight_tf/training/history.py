"""What a run has measured, step by step: a CSV that grows, and the curves drawn from it."""

import csv
import io
import os
from pathlib import Path
from typing import Any

from lowlight_tf.checks import UsageError


class History:
    """Rows of numbers by step. A row holds what was measured at one step, not always all columns.

    Attributes:
        rows: Each a dictionary with "step" and "epoch" and what was measured then.
    """

    def __init__(self, rows: list[dict[str, Any]] | None = None) -> None:
        self.rows = rows or []

    def add(self, step: int, **numbers: float) -> None:
        """Add numbers to the row of a step, which is made if it is not there."""
        if not self.rows or self.rows[-1]["step"] != step:
            self.rows.append({"step": step})
        self.rows[-1].update(numbers)

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """Return the steps at which `name` was measured, and its values."""
        rows = [row for row in self.rows if row.get(name) is not None]
        return [row["step"] for row in rows], [row[name] for row in rows]

    def save(self, path: Path) -> None:
        """Write all rows as CSV, beside, then rename."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        beside = path.with_name(f".{path.name}.part")
        beside.write_text(text.getvalue(), encoding="utf-8")
        os.replace(beside, path)

    @classmethod
    def load(cls, path: Path) -> "History":
        """Read what `save` wrote."""
        if not path.exists():
            raise UsageError(f"No history at {path}. `lowlight-tf train` writes one into its run.")
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                {name: float(value) for name, value in row.items() if value}
                for row in csv.DictReader(file)
            ]
        return cls([{**row, "step": int(row["step"])} for row in rows])


def draw_curves(history: History, path: Path) -> Path:
    """Draw loss, PSNR and SSIM against the step; the picture's format follows the suffix.

    The PSNR of training is that of batches of crops, the one of validation that of whole pictures.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    panels = {
        "loss": [("loss", "training")],
        "PSNR (dB, plain)": [
            ("psnr_batch", "training, crops"),
            ("val_psnr", "validation, whole pictures"),
        ],
        "SSIM (plain)": [("val_ssim", "validation, whole pictures")],
    }
    for axes, (title, curves) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for name, label in curves:
            steps, values = history.column(name)
            axes.plot(steps, values, marker="." if len(steps) < 50 else "", label=label)
        axes.set(xlabel="step", title=title)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)
    return path
