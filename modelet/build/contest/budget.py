"""How long a contest may take: what is begun is finished, and nothing more is begun when it is over."""

from time import monotonic

# How the reason begins that a candidate has no figures although nothing is wrong with it.
NOT_TRIED = "not tried"


class OverBudget(Exception):
    """A contest's time is over."""


class Budget:
    """A contest's time, running from its creation.

    Attributes:
        limit_s: How long it may be.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._started_s = monotonic()

    @property
    def spent_s(self) -> float:
        """How much of it is gone."""
        return monotonic() - self._started_s

    def check(self) -> None:
        """Go on only if there is time left.

        Raises:
            OverBudget: There is none.
        """
        if self.spent_s > self.limit_s:
            raise OverBudget(f"{NOT_TRIED}: the contest's {self.limit_s:g} s were over (budget_s)")

    def __str__(self) -> str:
        return f"{self.spent_s:.0f} of {self.limit_s:g} s"
