"""Which nodes an int8 model cannot afford, found by measuring.

1. Each unit is quantised alone, and the error it brings to the answers is measured. Such errors add up:
   over MiniLM's 39 units their sum is within 5% of the error of all together.
2. Units are put in order by that error, and the first k of them are left out, for growing k. The first k
   with which the answers stay within the bound is taken.

Both steps run on calibration samples only, so that accuracy is judged on samples they never saw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from modelet.build.quantise.accuracy import Bound, compare, distance
from modelet.build.quantise.engine import Feed
from modelet.build.quantise.switchboard import Switchboard
from modelet.build.quantise.targets import Unit

# Beyond this share a mixed model is neither small nor fast.
_MOST_LEFT_OUT = 0.5
_GROWTH = 1.5
# Single units are told apart by few samples, combinations are tried on all.
_SAMPLES_PER_UNIT = 8

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What was found out.

    Attributes:
        errors: The error that each unit brings alone, largest first.
        left_out: The units to leave out; None if leaving out half of them does not help.
        tried: How many combinations were measured.
    """

    errors: tuple[tuple[Unit, float], ...]
    left_out: tuple[Unit, ...] | None
    tried: int


def find_sensitive(
    board: Switchboard,
    units: Sequence[Unit],
    feeds: Sequence[Feed],
    bound: Bound,
    progress: Progress = lambda done, total: None,
) -> Sensitivity:
    """Find the fewest units whose leaving out keeps the answers within the bound.

    Args:
        board: The model, with a switch for each unit.
        units: What may be left out.
        feeds: Calibration samples.
        bound: What may be lost; a drop of accuracy is taken for one of agreement here.
        progress: Called after each measurement with how many are done and how many there are at most.
    """
    sizes = _sizes(len(units))
    total = len(units) + len(sizes)
    few = feeds[: max(1, _SAMPLES_PER_UNIT)]
    plain = board.answers(feeds, ())
    errors = []
    for done, unit in enumerate(units, 1):
        errors.append((unit, distance(plain[: len(few)], board.answers(few, (unit,)))))
        progress(done, total)
    ranked = tuple(sorted(errors, key=lambda entry: -entry[1]))
    order = [unit for unit, _ in ranked]
    asked = _on_answers(bound)
    for tried, size in enumerate(sizes, 1):
        accuracy = compare(plain, board.answers(feeds, order[size:]))
        progress(len(units) + tried, total)
        if asked.admits(accuracy):
            return Sensitivity(ranked, tuple(order[:size]), tried)
    return Sensitivity(ranked, None, len(sizes))


def _sizes(units: int) -> list[int]:
    """How many units to leave out, in the order of trying: 1, 2, 3, 5, 8, ..."""
    sizes, size = [], 1
    while size <= units * _MOST_LEFT_OUT:
        sizes.append(size)
        size = ceil(size * _GROWTH)
    return sizes


def _on_answers(bound: Bound) -> Bound:
    """Right answers are not known here, so as many rows may change as may become wrong."""
    return Bound("top1_agreement", 1.0 - bound.limit) if bound.metric == "accuracy_drop" else bound
