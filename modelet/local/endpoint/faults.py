"""What can go wrong at an endpoint, as tests and `modelet serve` ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Fault = Literal["none", "slow", "throttled", "not_ready", "failing", "garbage", "dropped"]
FAULTS: tuple[Fault, ...] = ("slow", "throttled", "not_ready", "failing", "garbage", "dropped")


@dataclass(slots=True)
class Faults:
    """Draws a fault for each invocation, always the same ones for a seed.

    Attributes:
        share: Of the invocations that go wrong.
        kinds: What may go wrong.
        slow_s: How long a slow answer takes.
        random: Draws.
    """

    share: float
    kinds: Sequence[Fault]
    slow_s: float
    random: Random

    @classmethod
    def none(cls) -> "Faults":
        """An endpoint at which nothing goes wrong."""
        return cls(0.0, (), 0.0, Random(0))  # noqa: S311 - draws faults, no secrets

    def draw(self) -> Fault:
        """What happens to the next invocation."""
        return self.random.choice(self.kinds) if self.random.random() < self.share else "none"
