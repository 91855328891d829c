"""A circuit breaker: an endpoint that fails time after time is left alone for a while."""

from collections.abc import Callable
from threading import Lock
from time import monotonic

from modelet_runtime.endpoint.faults import EndpointUnavailable

_FAILURES = 5
_PAUSE_S = 10.0


class Breaker:
    """Counts failures in a row. Closed, everybody may ask; open, nobody; then one may try.

    Kept per process: an environment of Lambda has one request at a time, and asking a table about
    the others' luck would cost each request more than it saves.
    """

    def __init__(
        self, failures: int = _FAILURES, pause_s: float = _PAUSE_S, now_s: Callable[[], float] = monotonic
    ) -> None:
        """Start closed.

        Args:
            failures: In a row, after which it opens.
            pause_s: How long it stays open.
            now_s: A clock.
        """
        self._limit = failures
        self._pause_s = pause_s
        self._now_s = now_s
        self._failures = 0
        self._closed_from_s = 0.0
        self._lock = Lock()

    def check(self) -> None:
        """Pass if the endpoint may be asked.

        Raises:
            EndpointUnavailable: (503) The breaker is open.
        """
        with self._lock:
            left_s = self._closed_from_s - self._now_s()
            if left_s > 0:
                raise EndpointUnavailable("the endpoint failed time after time and rests", int(left_s) + 1)
            if self._failures >= self._limit:
                # This one tries; the others wait for what comes of it.
                self._closed_from_s = self._now_s() + self._pause_s

    def succeeded(self) -> None:
        """The endpoint answered."""
        with self._lock:
            self._failures = 0
            self._closed_from_s = 0.0

    def failed(self) -> None:
        """The endpoint did not."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._limit:
                self._closed_from_s = self._now_s() + self._pause_s
