"""Which rows run together."""

from collections.abc import Iterator, Sequence

from modelet_runtime.steps.base import Encoded

# Padding that costs less than this many tokens is cheaper than another run: the least time of a MiniLM over
# 96 sentences of 4 to 52 tokens is at 8 to 16, for FP32 and int8 alike (decision 0032).
_RUN_COST = 12
# Larger runs are no faster on a CPU, and what a graph holds in between grows with them.
CPU_ELEMENTS = 16_384


def plan(
    rows: Sequence[Encoded], most_elements: int | None, most_rows: int | None = None
) -> Iterator[list[int]]:
    """Group rows into runs, each of them of equal shapes once its rows are padded.

    Args:
        rows: What a pipeline encoded.
        most_elements: How many elements the inputs of one run hold at most, unless one row has more.
        most_rows: How many rows one run holds at most.

    Yields:
        The indices of the rows of a run.
    """
    alike: dict[object, list[int]] = {}
    for index, row in enumerate(rows):
        alike.setdefault(_kind(row), []).append(index)
    for group in alike.values():
        ordered = sorted(group, key=lambda index: _length(rows[index]))
        for run in _runs(rows, ordered, most_elements):
            step = most_rows or len(run)
            yield from (run[start : start + step] for start in range(0, len(run), step))


def _runs(rows: Sequence[Encoded], ordered: Sequence[int], most_elements: int | None) -> Iterator[list[int]]:
    """Cut rows, shortest first, where padding would cost more than another run."""
    run: list[int] = []
    longest = 0
    for index in ordered:
        row = rows[index]
        length = _length(row)
        is_wasteful = len(run) * (length - longest) > _RUN_COST
        is_large = most_elements is not None and (len(run) + 1) * _elements(row) > most_elements
        if run and (is_wasteful or is_large):
            yield run
            run = []
        run.append(index)
        longest = length
    yield run


def _kind(row: Encoded) -> object:
    """What is equal for rows that can be stacked."""
    return tuple(
        (name, None, *tensor.shape[1:]) if name in row.padding else (name, *tensor.shape)
        for name, tensor in row.tensors.items()
    )


def _length(row: Encoded) -> int:
    return max((row.tensors[name].shape[0] for name in row.padding), default=0)


def _elements(row: Encoded) -> int:
    return sum(tensor.element_count for tensor in row.tensors.values())
