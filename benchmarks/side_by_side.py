"""Time several workloads in turn, in one process: medians, and ratios to the first."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping


def side_by_side(
    workloads: Mapping[str, Callable[[], float]], *, unit: str, rounds: int = 5
) -> dict[str, float]:
    """Run every workload once to warm up, then all in turn, `rounds` times; print a table.

    Args:
        workloads: Name -> a function that does the work and returns the amount, in units.
        unit: Name of the unit, such as "images".
        rounds: How often each workload is timed.

    Returns:
        Name -> median amount per second.
    """
    rates: dict[str, list[float]] = {name: [] for name in workloads}
    for round_index in range(rounds + 1):
        for name, work in workloads.items():
            started = time.perf_counter()
            amount = work()
            if round_index:  # the first is the warm-up
                rates[name].append(amount / (time.perf_counter() - started))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    first = next(iter(medians))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"| workload | {unit}/s, median of {rounds} | lowest | highest | relative to {first} |")
    print("|---|---|---|---|---|")
    for name, values in rates.items():
        ratios = [value / base for value, base in zip(values, rates[first], strict=True)]
        print(
            f"| {name} | {medians[name]:.2f} | {min(values):.2f} | {max(values):.2f} "
            f"| {statistics.median(ratios):.2f} |"
        )
    return medians
