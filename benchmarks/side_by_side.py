"""Time several ways of doing one thing, in turn, in one process: medians, ratios to the first."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping


def side_by_side(
    ways: Mapping[str, Callable[[], float]], *, unit: str, rounds: int = 5
) -> dict[str, float]:
    """Run every way once to warm up, then all in turn, `rounds` times; print a table.

    Args:
        ways: Name -> a function that does the work and returns how much of it it did.
        unit: What is counted, as in "images".
        rounds: How often each way is timed.

    Returns:
        Name -> median amount per second.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, work in ways.items():
            begun = time.perf_counter()
            amount = work()
            if turn:
                rates[name].append(amount / (time.perf_counter() - begun))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    first = next(iter(medians))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"| way | {unit}/s, median of {rounds} | lowest | highest | times {first} |")
    print("|---|---|---|---|---|")
    for name, found in rates.items():
        ratios = [mine / one for mine, one in zip(found, rates[first], strict=True)]
        print(
            f"| {name} | {medians[name]:.2f} | {min(found):.2f} | {max(found):.2f} "
            f"| {statistics.median(ratios):.2f} |"
        )
    return medians
