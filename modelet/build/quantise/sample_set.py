"""Which samples calibrate and which judge: apart wherever there are enough, and always the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from modelet.build.quantise.engine import Feed

# With fewer, a set of its own for judging would say nothing.
_LEAST_TO_SPLIT = 8
_SEED = 0


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Real inputs of a model, divided.

    Attributes:
        calibration: Those that ranges and sensitive nodes are found with.
        evaluation: Positions in the given samples of those that accuracy is measured on.
        held_out: Whether no sample is in both.
    """

    calibration: tuple[Feed, ...]
    evaluation: tuple[int, ...]
    held_out: bool

    @classmethod
    def divide(cls, feeds: Sequence[Feed], calibrate: int, evaluate: int) -> "SampleSet":
        """Choose at random, from a fixed seed.

        Args:
            feeds: Every sample there is, each the inputs of one run.
            calibrate: How many calibrate at most, and never more than half.
            evaluate: How many judge at most.
        """
        order = list(range(len(feeds)))
        # Only `random.random` gives the same numbers in every version of Python.
        random = Random(_SEED)  # noqa: S311 - repeatable, not secret
        draws = [random.random() for _ in order]
        order.sort(key=draws.__getitem__)
        if len(feeds) < _LEAST_TO_SPLIT:
            return cls(tuple(feeds), tuple(range(len(feeds))), held_out=False)
        count = min(calibrate, len(feeds) // 2)
        calibration = tuple(feeds[position] for position in sorted(order[:count]))
        return cls(calibration, tuple(sorted(order[count : count + evaluate])), held_out=True)
