"""What a run has measured, step by step: a CSV that grows, and the curves drawn from it."""

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

TITLES = {"psnr": "PSNR (dB, {})", "ssim": "SSIM ({})", "lpips": "LPIPS ({})"}
"""What a panel of the curves is called, with the protocol, where not as its metric."""


class History:
    """Rows of numbers by step. A row holds what was measured at one step, not always all columns.

    Attributes:
        rows: Each a dictionary with "step" and "epoch" and what was measured then.
        protocol: By which PSNR and SSIM were validated.
    """

    def __init__(
        self, rows: list[dict[str, Any]] | None = None, *, protocol: str = "plain"
    ) -> None:
        self.rows, self.protocol = rows or [], protocol

    def add(self, step: int, **numbers: float) -> None:
        """Add numbers to the row of a step, which is made if it is not there."""
        if not self.rows or self.rows[-1]["step"] != step:
            self.rows.append({"step": step})
        self.rows[-1].update(numbers)

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """Return the steps at which `name` was measured, and its values."""
        rows = [row for row in self.rows if row.get(name) is not None]
        return [row["step"] for row in rows], [row[name] for row in rows]

    def epochs(self, steps: Sequence[int]) -> list[float]:
        """Return how many passes over the training pairs had been made after each of some steps.

        Raises:
            UsageError: If nothing was written down yet.
        """
        known = [row for row in self.rows if row.get("epoch")]
        if not known:
            raise UsageError("This history holds no epoch yet. Wait for its run's first lines.")
        share = known[-1]["epoch"] / known[-1]["step"]
        return [step * share for step in steps]

    @property
    def cuts(self) -> list[int]:
        """Steps after which the learning rate was a lower one, where it waits for a plateau."""
        steps, rates = self.column("learning_rate")
        return [
            step
            for step, rate, before in zip(steps[1:], rates[1:], rates, strict=False)
            if rate < before
        ]

    def save(self, path: Path) -> None:
        """Write all rows as CSV, beside, then rename."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(path, text.getvalue())

    @classmethod
    def load(cls, path: Path) -> "History":
        """Read what `save` wrote; the protocol is that of the contract which lies beside it.

        Raises:
            UsageError: If there is no such file, or it is none of these.
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
        beside = path.with_name("contract.json")
        known = beside.is_file()
        return cls(rows, protocol=default_protocol(Contract.load(beside)) if known else "plain")


def score(metric: str, mean: float) -> float:
    """Return the mean of a metric, negated where lower is better: higher scores are better."""
    return -mean if METRICS.find(metric).higher_is_better is False else mean


def draw_curves(histories: Mapping[str, History], *paths: Path) -> None:
    """Draw loss and what was validated against the epoch, of one run or of several together.

    The PSNR of training is that of batches of crops, what is validated that of whole pictures. A
    dotted line stands where the learning rate was cut.

    Args:
        histories: What the legend calls a run -> its history.
        paths: Pictures to write, beside, then renamed; their suffix, .png or .svg, says the format.

    Raises:
        UsageError: If a history has nothing to draw yet.
    """
    from matplotlib.figure import Figure

    panels = {"loss": {"loss": "training"}}
    judged = [name for one in histories.values() for row in one.rows for name in row]
    protocol = ", ".join(dict.fromkeys(one.protocol for one in histories.values()))
    for column in dict.fromkeys(name for name in judged if name.startswith("val_")):
        name = column.removeprefix("val_")
        panels[TITLES.get(name, name.replace("_", " ")).format(protocol)] = {
            f"{name}_batch": "training, crops",
            column: "validation, whole pictures",
        }
    figure = Figure(figsize=(4 * len(panels), 3.5), layout="constrained")
    for axes, (title, curves) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for index, (run, history) in enumerate(histories.items()):
            for name, kind in curves.items():
                steps, values = history.column(name)
                if not steps:
                    continue
                axes.plot(
                    history.epochs(steps),
                    values,
                    color=f"C{index}",
                    alpha=1 if name.startswith("val_") else 0.45,
                    marker="." if len(steps) < 50 else "",
                    label=f"{run}: {kind}" if len(histories) > 1 else kind,
                )
            for epoch in history.epochs(history.cuts):
                axes.axvline(epoch, color=f"C{index}", linestyle=":", linewidth=1)
        axes.set(xlabel="epoch", title=title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    for path in paths:
        with atomic_write(path) as part:
            figure.savefig(part, dpi=90, format=path.suffix.removeprefix("."))
