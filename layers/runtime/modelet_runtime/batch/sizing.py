"""How many rows run together: from what the build measured, up as long as rows get cheaper."""

from collections.abc import Sequence

from modelet_runtime.tensor import Tensor

_FIRST = 8
_MOST = 4096
# A larger batch has to be this much faster per row, or the smaller one stays: it needs less memory.
_GAIN = 0.97
_SAMPLES = 3
# Sizes without a gain before the climb ends: one may be unlucky.
_PATIENCE = 2


class BatchSize:
    """Doubles the batch as long as that makes rows cheaper; no row is run for measurement's sake.

    Args:
        first: Rows of the first runs: the best of the passport's curve, where there is one.
        memory_bytes: The most that a batch's inputs may take.
    """

    def __init__(self, first: int | None, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._rows = first or _FIRST
        self._is_climbing = True
        self._samples: list[float] = []
        self._best_rows, self._best_s = self._rows, float("inf")
        self._misses = 0

    def rows(self, inputs: Sequence[Tensor]) -> int:
        """The size of the next batch of these inputs."""
        row_bytes = sum(len(tensor.data) // max(1, tensor.shape[0]) for tensor in inputs if tensor.shape)
        return max(1, min(self._rows, self._memory_bytes // max(1, row_bytes)))

    def ran(self, rows: int, elapsed_s: float) -> None:
        """Learn from a run; only runs of the size under trial count."""
        if not self._is_climbing or rows != self._rows:
            return
        self._samples.append(elapsed_s / rows)
        if len(self._samples) <= _SAMPLES:  # the first run of a shape allocates
            return
        row_s = min(self._samples)
        self._samples = []
        if row_s < _GAIN * self._best_s:
            self._best_rows, self._best_s, self._misses = rows, row_s, 0
        else:
            self._misses += 1
        self._is_climbing = self._misses < _PATIENCE and rows < _MOST
        self._rows = rows * 2 if self._is_climbing else self._best_rows
