"""Two contestants in alternation: whatever slows the machine down slows both."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from modelet.bench.sampling import alternate, ratio
from modelet.build.contest.contestant import Contestant

_FEWEST_ROUNDS, _MOST_ROUNDS = 24, 240
_BUDGET_MS = 1500.0
# One measurement takes at least this long, so that the clock and the message cost nothing beside it.
_LEAST_MS = 1.0
_CHALLENGER, _CHAMPION = "challenger", "champion"
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


def race(challenger: Contestant, champion: Contestant, inputs: int) -> Race:
    """Time both on the same inputs, in turn.

    Args:
        challenger: Whose time is wanted.
        champion: What it is compared with.
        inputs: How many inputs both have kept; each round takes the next of them.
    """
    both = {_CHALLENGER: challenger, _CHAMPION: champion}
    once_ms = {name: max(each.time_ms(0, 2), 1e-3) for name, each in both.items()}
    runs = {name: ceil(_LEAST_MS / cost) for name, cost in once_ms.items()}
    round_ms = sum(cost * runs[name] for name, cost in once_ms.items())
    rounds = min(_MOST_ROUNDS, max(_FEWEST_ROUNDS, int(_BUDGET_MS / round_ms)))
    turns = dict.fromkeys(both, 0)

    def measure(name: str) -> float:
        turns[name] += 1
        return both[name].time_ms(turns[name] % inputs, runs[name])

    samples = alternate({name: lambda name=name: measure(name) for name in both}, rounds)  # type: ignore[misc]
    ours, theirs = samples[_CHALLENGER], samples[_CHAMPION]
    # Inputs differ in length, so medians of times would compare different inputs.
    shares = [a / b for a, b in zip(ours, theirs, strict=True)]
    compared = ratio("", {"share": shares}, lambda medians: medians["share"], None)
    interval = (round(compared.low, 3), round(compared.high, 3))
    return Race(Timing.of(ours), Timing.of(theirs), round(compared.value, 3), interval, rounds)


def loads(contestant: Contestant) -> Timing:
    """Creating a session, several times."""
    return Timing.of([contestant.load_ms() for _ in range(_LOADS)])
