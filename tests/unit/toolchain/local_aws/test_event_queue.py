"""Events that nobody waits for: taken at once, delivered until they are done, no more than three times."""

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from modelet.local.aws.event_queue import EventQueue, Invoke
from modelet.local.aws.lambda_api import ASYNCHRONOUS_BYTES, LambdaApi
from modelet.local.errors import Crashed, HandlerRaised, Throttled


class Function:
    """A function that fails as told, and then works."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = [*failures]
        self.calls: list[tuple[bytes, str, str]] = []
        self.done = asyncio.Event()

    async def invoke(self, event: bytes, qualifier: str, request_id: str) -> bytes:
        self.calls.append((event, qualifier, request_id))
        if self.failures:
            failure = self.failures.pop(0)
            if not self.failures and isinstance(failure, HandlerRaised):
                self.done.set()
            raise failure
        self.done.set()
        return b"null"


def delivered(*failures: Exception) -> Sequence[tuple[bytes, str, str]]:
    async def run() -> Sequence[tuple[bytes, str, str]]:
        function, queue = Function(*failures), EventQueue((0.0, 0.0))
        request_id = queue.put(function.invoke, b"{}", "live")
        async with asyncio.timeout(30):
            await function.done.wait()
        await queue.close()
        assert {call[2] for call in function.calls} == {request_id}
        return function.calls

    return asyncio.run(run())


def test_what_works_is_delivered_once():
    [(event, qualifier, _)] = delivered()
    assert (event, qualifier) == (b"{}", "live")


def test_what_fails_is_tried_twice_more_under_the_same_id():
    assert len(delivered(Crashed("killed"))) == 2
    assert len(delivered(*[HandlerRaised("no")] * 3)) == 3


def test_what_is_refused_does_not_count_as_a_failure():
    assert len(delivered(Throttled("busy"), Crashed("killed"), Crashed("killed"))) == 4


def send(body: bytes, **headers: str) -> tuple[int, list[Any]]:
    async def run() -> tuple[int, list[Any]]:
        function = Function()

        def find(name: str) -> Invoke:
            return {"demo": function.invoke}[name]

        async with LambdaApi(find, "http://127.0.0.1:1") as api, aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{api.port}/2015-03-31/functions/demo/invocations?Qualifier=live"
            async with session.post(url, data=io.BytesIO(body), headers=headers) as answer:
                status = answer.status
            if status == 202:
                async with asyncio.timeout(30):
                    await function.done.wait()
            return status, function.calls

    return asyncio.run(run())


EVENT = {"X-Amz-Invocation-Type": "Event"}


def test_lambda_answers_before_the_function_does():
    status, [(event, qualifier, _)] = send(b'{"n": 1}', **EVENT)
    assert (status, event, qualifier) == (202, b'{"n": 1}', "live")


@pytest.mark.parametrize(("size", "status"), [(ASYNCHRONOUS_BYTES, 202), (ASYNCHRONOUS_BYTES + 1, 413)])
def test_an_event_has_at_most_a_megabyte(size: int, status: int):
    assert send(b" " * size, **EVENT)[0] == status
