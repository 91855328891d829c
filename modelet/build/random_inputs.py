"""Inputs made up from a signature, for models that come without samples: seeded, so always the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from random import Random
from typing import TypeVar

from modelet.errors import Refused
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.tensor import DATATYPES, Datatype, Tensor

_T = TypeVar("_T")
_WORDS = ("", "a", "seven", "7", "Zürich", "a longer text of several words", "0.5", "中文")
_BYTE_VALUES = 256


@dataclass(frozen=True, slots=True)
class Ranges:
    """What made-up inputs look like. Floats are in [-1, 1), UINT8 in 0..255 like pixels.

    Attributes:
        axis: The size of every variable axis but the batch.
        integers: Other integers are below this: they may index a table whose size is not known.
    """

    axis: int
    integers: int


# Tried in this order until the original takes one: convolutions need long axes, tables small indices.
LADDER = tuple(Ranges(axis, integers) for axis in (8, 32, 128, 224, 1) for integers in (10, 2, 1))


def rows(specs: Sequence[TensorSpec], ranges: Ranges, count: int, seed: int = 0) -> list[dict[str, Tensor]]:
    """Make up rows: a tensor per input, its variable axes all of one size."""
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    return [{spec.name: _tensor(spec, ranges, random) for spec in specs} for _ in range(count)]


def first_that_runs(run: Callable[[Ranges], _T]) -> _T:
    """Call `run` with ranges from cautious to daring until one is taken.

    Raises:
        Refused: None is; the last refusal.
    """
    *others, last = LADDER
    for ranges in others:
        try:
            return run(ranges)
        except Refused:
            continue
    return run(last)


def _tensor(spec: TensorSpec, ranges: Ranges, random: Random) -> Tensor:
    shape = tuple(ranges.axis if size == -1 else size for size in spec.shape)
    datatype = DATATYPES[spec.datatype]
    values = list(_values(datatype, ranges, random, prod(shape)))
    return Tensor.from_values(spec.name, datatype, shape, values)


def _values(datatype: Datatype, ranges: Ranges, random: Random, count: int) -> Iterator[object]:
    # Only `random.random` gives the same numbers in every version of Python.
    for _ in range(count):
        draw = random.random()
        if datatype.is_float:
            yield 2 * draw - 1
        elif datatype.name == "BYTES":
            yield _WORDS[int(draw * len(_WORDS))]
        elif datatype.name == "BOOL":
            yield draw < 0.5
        else:
            is_pixel = datatype.name == "UINT8" and ranges.integers == LADDER[0].integers
            yield int(draw * (_BYTE_VALUES if is_pixel else ranges.integers))
