"""Contestants in alternation: whatever slows the machine down slows all of them."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from modelet.bench.sampling import alternate, ratio
from modelet.build.contest.contestant import Contestant

_FEWEST_ROUNDS, _MOST_ROUNDS = 24, 120
_BUDGET_MS = 600.0  # for each of them
# One measurement takes at least this long, so that the clock and the message cost nothing beside it.
_LEAST_MS = 1.0
_LOADS = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one thing, measured many times."""

    median: float
    p95: float

    @classmethod
    def of(cls, costs: Sequence[float]) -> "Timing":
        """Summarise measurements."""
        ordered = sorted(costs)
        return cls(round(statistics.median(ordered), 4), round(ordered[round(0.95 * (len(ordered) - 1))], 4))


@dataclass(frozen=True, slots=True)
class Race:
    """A challenger's runs beside the champion's.

    Attributes:
        latency_ms: One run of the challenger.
        champion_ms: One run of the champion in the same rounds.
        ratio: The median of the rounds' ratios; below 1 the challenger is faster.
        ratio_95: The 95% bootstrap interval of it.
        rounds: How often both were measured.
    """

    latency_ms: Timing
    champion_ms: Timing
    ratio: float
    ratio_95: tuple[float, float]
    rounds: int


def race(challengers: Mapping[str, Contestant], champion: Contestant, inputs: int) -> dict[str, Race]:
    """Time all on the same inputs, in turn.

    Args:
        challengers: Whose times are wanted, by name.
        champion: What each of them is compared with.
        inputs: How many inputs all have kept; each round takes the next of them.
    """
    everyone = {"": champion, **challengers}
    once_ms = {name: warm_ms(each, 0) for name, each in everyone.items()}
    runs = {name: ceil(_LEAST_MS / cost) for name, cost in once_ms.items()}
    round_ms = sum(cost * runs[name] for name, cost in once_ms.items())
    rounds = min(_MOST_ROUNDS, max(_FEWEST_ROUNDS, int(_BUDGET_MS * len(everyone) / round_ms)))
    turns = dict.fromkeys(everyone, 0)

    def measure(name: str) -> float:
        turns[name] += 1
        return everyone[name].time_ms(turns[name] % inputs, runs[name])

    samples = alternate({name: lambda name=name: measure(name) for name in everyone}, rounds)  # type: ignore[misc]
    return {name: _compare(samples[name], samples[""]) for name in challengers}


def warm_ms(contestant: Contestant, kept: int) -> float:
    """About how long one run takes once caches are warm; the very first ones take several times as long."""
    cold_ms = max(contestant.time_ms(kept, 2), 1e-3)
    if cold_ms > _LEAST_MS:
        return cold_ms
    return max(contestant.time_ms(kept, ceil(_LEAST_MS / cold_ms)), 1e-3)


def loads(contestants: Mapping[str, Contestant]) -> dict[str, Timing]:
    """Creating a session, several times, in turn."""
    samples = alternate({name: each.load_ms for name, each in contestants.items()}, _LOADS)
    return {name: Timing.of(costs) for name, costs in samples.items()}


def _compare(ours: Sequence[float], theirs: Sequence[float]) -> Race:
    # Inputs differ in length, so medians of times would compare different inputs.
    shares = [a / b for a, b in zip(ours, theirs, strict=True)]
    compared = ratio("", {"share": shares}, lambda medians: medians["share"], None)
    interval = (round(compared.low, 3), round(compared.high, 3))
    return Race(Timing.of(ours), Timing.of(theirs), round(compared.value, 3), interval, len(ours))
