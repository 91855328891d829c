"""How a run's time and memory grow with its rows: what batching gains, and where it stops gaining."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from math import ceil
from pathlib import Path
from statistics import median

from modelet.build.contest.contestant import Contestant, Retired
from modelet.build.contest.race import warm_ms
from modelet.build.samples import Inputs
from modelet_runtime.stacking import stack
from modelet_runtime.tensor import Tensor

ROWS = (1, 2, 4, 8, 16, 32, 64)
_LEAST_MS = 1.0
_BUDGET_MS = 100.0
_FEWEST, _MOST = 5, 60
# A run that takes longer than this is no batch that a function would wait for.
_LONGEST_RUN_MS = 5000.0


@dataclass(frozen=True, slots=True)
class Point:
    """One size of a batch.

    Attributes:
        rows: Rows in a run.
        latency_ms: The median of such runs.
        peak_mib: The most memory of a process that has run it.
    """

    rows: int
    latency_ms: float
    peak_mib: float


def batch_curve(path: Path, threads: int, singles: Sequence[Inputs]) -> list[Point]:
    """Measure runs of more and more rows in the function's own runtime; ends where one takes too long.

    Args:
        path: What the function loads.
        threads: As many as it has.
        singles: Runs of one row; those of the first one's shape are put together, over and over.
    """
    shapes = [tensor.shape for tensor in singles[0]]
    alike = [inputs for inputs in singles if [tensor.shape for tensor in inputs] == shapes]
    with Contestant(path, threads) as contestant:
        return list(_points(contestant, alike))


def _points(contestant: Contestant, alike: Sequence[Inputs]) -> Iterator[Point]:
    for number, rows in enumerate(ROWS):
        try:
            contestant.keep(_batch(islice(cycle(alike), rows)))
            once_ms = warm_ms(contestant, number)
        except Retired:  # out of memory, or a graph that only claims to take many rows
            return
        runs = ceil(_LEAST_MS / once_ms)
        times = min(_MOST, max(_FEWEST, int(_BUDGET_MS / (once_ms * runs))))
        latency_ms = median(contestant.time_ms(number, runs) for _ in range(times))
        yield Point(rows, round(latency_ms, 4), round(contestant.peak_mib(), 1))
        if latency_ms > _LONGEST_RUN_MS / 2:
            return


def _batch(runs: "Iterator[Inputs]") -> list[Tensor]:
    """Runs of one row each as one run."""
    rows = [{tensor.name: _without_batch(tensor) for tensor in run} for run in runs]
    return stack(rows)


def _without_batch(tensor: Tensor) -> Tensor:
    return Tensor(tensor.name, tensor.datatype, tensor.shape[1:], tensor.data)
