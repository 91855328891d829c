"""Keys find their version, and state machines find their function."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from support.artifacts import write_version
from support.graphs import softmax

from modelet.aliases.moves import promote
from modelet.local.aws.event_queue import Invoke
from modelet.local.aws.lambda_api import LambdaApi
from modelet.local.aws.lanes import lanes
from modelet.local.errors import Crashed, Stopping, Throttled
from modelet.local.fleet import Fleet
from modelet.repository import Repository
from modelet_runtime.manifest import Batch


def prefixes(root: Path) -> dict[str, list[str]]:
    found = lanes(Fleet.of(Repository(root).models()).shelves.values())
    return {name.removeprefix("modelet-batch-"): lane.prefixes for name, lane in found.items()}


def test_prefixes_follow_aliases_and_every_version_has_its_number(tmp_path: Path):
    for number, batch in ((1, Batch()), (2, Batch()), (3, None)):
        folder = tmp_path / "demo" / "versions" / str(number)
        write_version(folder, softmax(), "demo", version=number, batch=batch)
    write_version(tmp_path / "plain" / "versions" / "1", softmax(), "plain")
    assert prefixes(tmp_path) == {"demo-1": ["demo@1/"], "demo-2": ["demo@2/"]}
    model = Repository(tmp_path).model("demo")
    promote(model, 1)
    promote(model, 2, weight=0.1)
    assert prefixes(tmp_path) == {
        "demo-1": ["demo/", "demo@1/", "demo@live/"],
        "demo-2": ["demo@2/", "demo@canary/"],
    }


def find(name: str) -> Invoke:
    async def invoke(event: bytes, qualifier: str, request_id: str) -> bytes:
        assert request_id
        if name == "echo":
            return json.dumps({**json.loads(event), "by": qualifier}).encode()
        raise {"crash": Crashed("killed"), "busy": Throttled("two at once"), "end": Stopping("over")}[name]

    if name == "none":
        raise KeyError(name)
    return invoke


def call(function: str) -> tuple[int, dict[str, str], dict]:
    async def run() -> tuple[int, dict[str, str], dict]:
        async with LambdaApi(find, "http://127.0.0.1:1") as api, aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{api.port}/2015-03-31/functions/{function}/invocations"
            async with session.post(url, json={"n": 1}) as answer:
                return answer.status, dict(answer.headers), await answer.json()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("function", "qualifier"),
    [
        ("echo", ""),
        ("echo%3Alive", "live"),
        ("arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aecho%3A3", "3"),
        ("arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aecho", ""),
    ],
)
def test_a_function_is_called_by_its_name_or_arn(function: str, qualifier: str):
    status, headers, body = call(function)
    assert (status, body, "x-amz-function-error" in headers) == (200, {"n": 1, "by": qualifier}, False)


def test_a_function_that_failed_is_an_answer_and_what_lambda_refuses_is_an_error():
    status, headers, body = call("crash")
    assert (status, headers["x-amz-function-error"], body["errorType"]) == (200, "Unhandled", "Crashed")
    for function, status, kind in (
        ("busy", 429, "TooManyRequestsException"),
        ("end", 500, "ServiceException"),
        ("none", 404, "ResourceNotFoundException"),
    ):
        answered, headers, _ = call(function)
        assert (answered, headers["x-amzn-errortype"]) == (status, kind)


def test_whatever_is_no_call_goes_to_the_emulator():
    async def other(request: web.Request) -> web.Response:
        return web.json_response([request.method, request.raw_path, (await request.read()).decode()])

    async def run() -> list[str]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", other)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        emulator = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with LambdaApi(find, emulator) as api, aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{api.port}/modelet-out/a%20b?x=1"
            async with session.put(url, data=b"body") as answer:
                found = json.loads(await answer.read())
        await runner.cleanup()
        return found

    assert asyncio.run(run()) == ["PUT", "/modelet-out/a%20b?x=1", "body"]
