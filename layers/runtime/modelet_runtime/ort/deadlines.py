"""Stopping runs whose time is up: one thread for the process, asleep until the earliest deadline."""

from threading import Condition, Lock, Thread
from time import monotonic
from typing import Protocol

_NEVER = float("inf")
# Far above Lambda's 900 s, far below what the operating system can wait for.
_LONGEST_S = 86_400.0


class Expirable(Protocol):
    """Something that can run out of time."""

    def expire(self) -> None:
        """Called once when the time is up; must be short and may not raise."""
        ...


class Deadlines:
    """Tells what is under way when its deadline passes.

    A deadline later than the one the thread sleeps for does not wake it, nor does one that is met.
    So at a steady rate of requests, each with 30 s, it wakes once in 30 s, and a request pays for a
    lock and a dictionary entry. A `threading.Timer` each would start a thread per request.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._expiries: dict[Expirable, float] = {}
        self._sleeps_until = _NEVER
        self._thread: Thread | None = None

    def add(self, task: Expirable, timeout_s: float) -> None:
        """Have `task` expired in `timeout_s`, unless it is removed before."""
        expiry = monotonic() + min(_LONGEST_S, timeout_s)
        with self._lock:
            self._expiries[task] = expiry
            if self._thread is None:
                self._thread = Thread(target=self._watch, name="modelet-deadlines", daemon=True)
                self._thread.start()
            elif expiry < self._sleeps_until:
                self._changed.notify()

    def remove(self, task: Expirable) -> None:
        """Forget a task, expired or not; it is not being expired afterwards."""
        with self._lock:
            self._expiries.pop(task, None)

    def settle(self) -> None:
        """Have the thread look again at what it sleeps for: with nothing under way, for nothing."""
        with self._lock:
            self._changed.notify()

    def _watch(self) -> None:
        with self._lock:
            while True:
                now = monotonic()
                for task in [task for task, expiry in self._expiries.items() if expiry <= now]:
                    del self._expiries[task]
                    task.expire()
                self._sleeps_until = min(self._expiries.values(), default=_NEVER)
                self._changed.wait(None if self._sleeps_until == _NEVER else self._sleeps_until - now)
