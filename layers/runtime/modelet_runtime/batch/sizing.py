"""How many rows run together: what the manifest says, or what climbs fastest on the run's own rows."""

from collections.abc import Sequence

from modelet_runtime.tensor import Tensor

_FIRST = 8
_MOST = 4096
# A larger batch has to be this much faster per row, or the smaller one stays: it needs less memory.
_GAIN = 0.95
_SAMPLES = 2


class BatchSize:
    """Doubles the batch as long as that makes rows cheaper; no row is run for measurement's sake.

    Args:
        fixed: Rows per run, where the build measured them; None climbs.
        memory_bytes: The most that a batch's inputs may take.
    """

    def __init__(self, fixed: int | None, memory_bytes: int) -> None:
        self._fixed = fixed
        self._memory_bytes = memory_bytes
        self._rows = fixed or _FIRST
        self._is_climbing = fixed is None
        self._row_s: dict[int, list[float]] = {}

    def rows(self, inputs: Sequence[Tensor]) -> int:
        """The size of the next batch of these inputs."""
        row_bytes = sum(len(tensor.data) // max(1, tensor.shape[0]) for tensor in inputs if tensor.shape)
        return max(1, min(self._rows, self._memory_bytes // max(1, row_bytes)))

    def ran(self, rows: int, elapsed_s: float) -> None:
        """Learn from a run; only runs of the size under trial count."""
        if not self._is_climbing or rows != self._rows:
            return
        samples = self._row_s.setdefault(rows, [])
        samples.append(elapsed_s / rows)
        if len(samples) <= _SAMPLES:  # the first run of a shape is slower: it allocates
            return
        before = self._row_s.get(rows // 2)
        if before is not None and min(samples) > _GAIN * min(before):
            self._rows, self._is_climbing = rows // 2, False
        elif rows >= _MOST:
            self._is_climbing = False
        else:
            self._rows = rows * 2
