"""Asking again after a pause that grows and is drawn at random, so that callers do not come in waves.

Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from time import sleep
from typing import TypeVar

from modelet_runtime.endpoint.faults import EndpointUnavailable

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and when to ask again.

    Attributes:
        attempts: All in all, the first included.
        first_s: The longest first pause; each later one may be twice as long.
        random: Draws the pauses.
        sleep: Waits.
    """

    attempts: int = 3
    first_s: float = 0.1
    random: Random = field(default_factory=Random)
    sleep: Callable[[float], None] = sleep

    def run(self, ask: Callable[[], _T], left_s: Callable[[], float]) -> _T:
        """Ask until there is an answer, or no attempt or no time is left.

        Args:
            ask: Raises EndpointUnavailable when asking again may help.
            left_s: Seconds until the deadline.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return ask()
            except EndpointUnavailable:
                pause_s = self.random.uniform(0, self.first_s * 2 ** (attempt - 1))
                if attempt == self.attempts or pause_s >= left_s():
                    raise
                self.sleep(pause_s)
        raise AssertionError("unreachable: the last attempt returns or raises")
