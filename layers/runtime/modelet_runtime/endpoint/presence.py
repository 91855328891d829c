"""Whether an endpoint has an instance that answers; asked once for all requests of some seconds."""

from collections.abc import Callable, Mapping
from functools import cache
from threading import Lock
from time import monotonic
from typing import Any

from modelet_runtime.endpoint import api

# A new instance takes minutes, so nobody loses by hearing of it this much later. All environments of an
# account share the API's rate.
_FRESH_S = 10.0
# A caller waits for this.
_CONNECT_S, _READ_S = 1.0, 2.0


class Presence:
    """Asks `DescribeEndpoint`, which tells of instances: nothing on the way of an inference does.

    Args:
        describe: Asks.
        fresh_s: How long an answer holds.
        now_s: A clock.
    """

    def __init__(
        self,
        describe: Callable[[], Mapping[str, Any]],
        fresh_s: float = _FRESH_S,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        self._describe = describe
        self._fresh_s = fresh_s
        self._now_s = now_s
        self._lock = Lock()
        self._is_away = False
        self._asked_s: float | None = None

    @classmethod
    def of(cls, endpoint: str) -> "Presence":
        """Of an endpoint in the function's account."""

        # This API's description is botocore's largest: it is read when first asked for, and not at init.
        @cache
        def sagemaker() -> Any:
            return api.client("sagemaker", _CONNECT_S, _READ_S)

        return cls(lambda: sagemaker().describe_endpoint(EndpointName=endpoint))

    def is_away(self) -> bool:
        """Whether no instance can answer: it is at zero, comes up for the first time, or is gone.

        Where nobody can say, it is not: its queue keeps requests either way.
        """
        with self._lock:
            now_s = self._now_s()
            if self._asked_s is None or now_s - self._asked_s >= self._fresh_s:
                self._asked_s = now_s
                self._is_away = self._ask()
            return self._is_away

    def _ask(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            variants = self._describe().get("ProductionVariants", [])
        except (BotoCoreError, ClientError):
            return False
        # While an endpoint is made for the first time it has no variants yet.
        return not any(variant.get("CurrentInstanceCount", 0) for variant in variants)
