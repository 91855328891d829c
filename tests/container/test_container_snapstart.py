"""The image itself goes through SnapStart's protocol, with what the runtime layer carries."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

from support.containers import Built, Store, running

from modelet.local.events import HttpRequest, to_event
from modelet.local.runtime_api import Invocation, RuntimeApi

ARN = "arn:aws:lambda:us-east-1:0:function:demo_sum:live"


class Reports:
    """Has a future for each thing the runtime client may report."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.snapshot: asyncio.Future[None] = loop.create_future()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.result: asyncio.Future[bytes] = loop.create_future()

    def on_snapshot(self) -> None:
        self.snapshot.set_result(None)

    def on_ready(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    def on_result(self, result: bytes) -> None:
        self.result.set_result(result)

    def on_result_too_large(self, result_bytes: int) -> None:
        raise AssertionError(result_bytes)

    def on_error(self, error: bytes) -> None:
        self.result.set_exception(AssertionError(error))

    def on_init_error(self, error: bytes) -> None:
        self.snapshot.set_exception(AssertionError(error))

    def on_restore_error(self, error: bytes) -> None:
        self.ready.set_exception(AssertionError(error))


def limited(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(run())


def test_it_waits_at_its_snapshot_and_answers_after_the_restore(
    store: Store, images: dict[str, Built]
) -> None:
    document = {
        "inputs": [{"name": name, "datatype": "FP32", "shape": [1, 2], "data": [1, 2]} for name in ("a", "b")]
    }
    body = json.dumps(document).encode()
    headers = [(b"Content-Type", b"application/json")]
    request = HttpRequest("POST", "/v2/models/demo_sum/infer", "HTTP/1.1", headers, body, "127.0.0.1")
    event = to_event(request, "id", time.time(), "")

    async def through() -> None:
        reports = Reports()
        api = RuntimeApi(reports)
        address = await api.start()
        variables = {
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_LAMBDA_FUNCTION_NAME": "demo_sum",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
        }
        options = [f"--env={name}={value}" for name, value in variables.items()]
        with running(store, images["demo_sum"].name, (), options):
            await reports.snapshot
            assert not reports.ready.done()
            api.restore()
            await reports.ready
            api.send(Invocation("id", event, int(time.time() * 1000) + 20_000, ARN, ""))
            answer = json.loads(await reports.result)
        api.close()
        assert answer["statusCode"] == 200
        outputs = {output["name"]: output["data"] for output in json.loads(answer["body"])["outputs"]}
        assert outputs == {"sum": [2, 4], "double": [2, 4]}

    limited(through)
