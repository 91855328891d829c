"""Lambda's queue of asynchronous events: who sends one is answered at once, and what fails is tried again.

A function that fails is given the event twice more, after one minute and after two, under the same request
id; here after seconds. Whatever Lambda itself refuses, such as one call too many, is tried until it works.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from modelet.local.errors import FunctionError, ServiceError

# Runs a function over an event, called by a qualifier, under a request id.
Invoke = Callable[[bytes, str, str], Awaitable[bytes]]

RETRIES_S = (1.0, 2.0)
_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0


class EventQueue:
    """Delivers events until it is closed; they live in memory only.

    Args:
        retries_s: How long after each failure the next attempt is made.
    """

    def __init__(self, retries_s: Sequence[float] = RETRIES_S) -> None:
        self._retries_s = retries_s
        self._deliveries: set[asyncio.Task[None]] = set()

    def put(self, invoke: Invoke, event: bytes, qualifier: str) -> str:
        """Take an event in; gives its request id."""
        request_id = str(uuid4())
        delivery = asyncio.create_task(self._deliver(invoke, event, qualifier, request_id))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        return request_id

    async def close(self) -> None:
        """Deliver no more."""
        deliveries = [*self._deliveries]
        for delivery in deliveries:
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)

    async def _deliver(self, invoke: Invoke, event: bytes, qualifier: str, request_id: str) -> None:
        for pause_s in (*self._retries_s, None):
            try:
                await self._accepted(invoke, event, qualifier, request_id)
            except FunctionError:  # the function's log has it
                if pause_s is not None:
                    await asyncio.sleep(pause_s)
            else:
                return

    async def _accepted(self, invoke: Invoke, event: bytes, qualifier: str, request_id: str) -> None:
        backoff_s = _BACKOFF_S
        while True:
            try:
                await invoke(event, qualifier, request_id)
            except FunctionError:
                raise
            except ServiceError:
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
            else:
                return
