"""The log of a run: a CSV with a row per logged step, and the training curves drawn from it."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lowlight_tf.catalog import METRICS
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.evaluation.raw_protocol import default_protocol
from lowlight_tf.fileio import atomic_write, write_text
from lowlight_tf.legacy_names import rename_history_columns

PANEL_TITLES = {"psnr": "PSNR (dB, {})", "ssim": "SSIM ({})", "lpips": "LPIPS ({})"}
"""Metric -> title of its panel, with a place for the protocol, where not its name."""


class History:
    """Rows of numbers by step. A row holds what was logged at one step, not always all columns.

    Attributes:
        rows: Dictionaries with "step", "epoch" and the numbers logged then.
        protocol: Protocol of the validation's PSNR and SSIM.
    """

    def __init__(
        self, rows: list[dict[str, Any]] | None = None, *, protocol: str = "plain"
    ) -> None:
        self.rows, self.protocol = rows or [], protocol

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]], *, protocol: str = "plain") -> "History":
        """Return the history of saved rows, also those of version 0.1.0."""
        return cls([rename_history_columns(row) for row in rows], protocol=protocol)

    def add(self, step: int, **numbers: float) -> None:
        """Add numbers to the row of a step, which is appended if it is not the last one."""
        if not self.rows or self.rows[-1]["step"] != step:
            self.rows.append({"step": step})
        self.rows[-1].update(numbers)

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """Return the steps at which `name` was logged, and its values."""
        rows = [row for row in self.rows if row.get(name) is not None]
        return [row["step"] for row in rows], [row[name] for row in rows]

    def epochs(self, steps: Sequence[int]) -> list[float]:
        """Convert steps to epochs: passes over the training pairs.

        Raises:
            UsageError: If no epoch was logged yet.
        """
        rows = [row for row in self.rows if row.get("epoch")]
        if not rows:
            raise UsageError("This history holds no epoch yet. Wait for its run's first lines.")
        epochs_per_step = rows[-1]["epoch"] / rows[-1]["step"]
        return [step * epochs_per_step for step in steps]

    @property
    def learning_rate_cuts(self) -> list[int]:
        """Steps after which the learning rate was lower, under the schedule "plateau"."""
        steps, rates = self.column("learning_rate")
        return [
            step
            for step, rate, before in zip(steps[1:], rates[1:], rates, strict=False)
            if rate < before
        ]

    def save(self, path: Path) -> None:
        """Write all rows as CSV, atomically."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(path, text.getvalue())

    @classmethod
    def load(cls, path: Path) -> "History":
        """Read a `history.csv`; its protocol is that of the `contract.json` next to it.

        Raises:
            UsageError: If there is no such file, or it is not the history of a run.
        """
        if not path.exists():
            raise UsageError(f"No history at {path}. `lowlight-tf train` writes one into its run.")
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [
                    {name: float(value) for name, value in row.items() if value}
                    for row in csv.DictReader(file)
                ]
            rows = [{**row, "step": int(row["step"])} for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path} is not the history of a run: {error!r}. Pass a folder that "
                "`lowlight-tf train` wrote."
            ) from None
        contract = path.with_name("contract.json")
        protocol = default_protocol(Contract.load(contract)) if contract.is_file() else "plain"
        return cls.from_rows(rows, protocol=protocol)


def score(metric: str, mean: float) -> float:
    """Return the mean of a metric, negated where lower is better: higher scores are better."""
    return -mean if METRICS.find(metric).higher_is_better is False else mean


def draw_curves(histories: Mapping[str, History], *paths: Path) -> None:
    """Draw loss and validation metrics against the epoch, of one run or of several together.

    The PSNR of training is that of batches of crops, that of validation of full images. A dotted
    line marks a reduction of the learning rate.

    Args:
        histories: Label in the legend -> history of a run.
        paths: Images to write atomically; the suffix, .png or .svg, is the format.

    Raises:
        UsageError: If a history has nothing to draw yet.
    """
    from matplotlib.figure import Figure

    panels = {"loss": {"loss": "training"}}
    columns = [name for history in histories.values() for row in history.rows for name in row]
    protocol = ", ".join(dict.fromkeys(history.protocol for history in histories.values()))
    for column in dict.fromkeys(name for name in columns if name.startswith("val_")):
        name = column.removeprefix("val_")
        panels[PANEL_TITLES.get(name, name.replace("_", " ")).format(protocol)] = {
            f"{name}_batch": "training, crops",
            column: "validation, full images",
        }
    figure = Figure(figsize=(4 * len(panels), 3.5), layout="constrained")
    for axes, (title, curves) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for index, (run_name, history) in enumerate(histories.items()):
            for name, label in curves.items():
                steps, values = history.column(name)
                if not steps:
                    continue
                axes.plot(
                    history.epochs(steps),
                    values,
                    color=f"C{index}",
                    alpha=1 if name.startswith("val_") else 0.45,
                    marker="." if len(steps) < 50 else "",
                    label=f"{run_name}: {label}" if len(histories) > 1 else label,
                )
            for epoch in history.epochs(history.learning_rate_cuts):
                axes.axvline(epoch, color=f"C{index}", linestyle=":", linewidth=1)
        axes.set(xlabel="epoch", title=title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    for path in paths:
        with atomic_write(path) as part:
            figure.savefig(part, dpi=90, format=path.suffix.removeprefix("."))
