"""Fair comparison on a noisy machine: alternate, pair, take medians, say how sure it is."""

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """One comparison.

    Attributes:
        name: What is compared, as a sentence of the form "ours over theirs".
        value: The ratio of the medians; lower is better.
        low: Lower end of the 95% bootstrap interval of the ratio.
        high: Upper end of it.
        target: The aim, or None where the figure is only reported.
        medians: The median of each thing measured, in the unit its name carries.
        pairs: How many alternating rounds were taken.
    """

    name: str
    value: float
    low: float
    high: float
    target: float | None
    medians: Mapping[str, float]
    pairs: int

    @property
    def is_met(self) -> bool:
        """Whether the ratio reaches its target; True where there is none."""
        return self.target is None or self.value <= self.target


Samples = dict[str, list[float]]


def alternate(measures: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = 1) -> Samples:
    """Measure each thing once per round, in turn, so that a drift of the machine hits all alike.

    Args:
        measures: A callable per name that does the thing once and returns its cost.
        rounds: Counted rounds.
        warm_up: Rounds before them that do not count.
    """
    samples: Samples = {name: [] for name in measures}
    for number in range(warm_up + rounds):
        for name, measure in measures.items():
            cost = measure()
            if number >= warm_up:
                samples[name].append(cost)
    return samples


def ratio(
    name: str,
    samples: Samples,
    combine: Callable[[Mapping[str, float]], float],
    target: float | None,
) -> Ratio:
    """Combine medians to a ratio, with the interval that resampling whole rounds gives.

    Args:
        name: What is compared.
        samples: As `alternate` gives them: equally long lists.
        combine: From the median per name to the ratio.
        target: The aim, if there is one.
    """
    medians = _medians(samples, None)
    rounds = len(next(iter(samples.values())))
    source = random.Random(0)  # noqa: S311 - a bootstrap needs repeatable draws, not secret ones
    resampled = sorted(
        combine(_medians(samples, source.choices(range(rounds), k=rounds))) for _ in range(_RESAMPLES)
    )
