"""The whole way of a request: HTTP, event, process, response, with the statuses of the cloud."""

import asyncio
import base64
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.lambdas import Bench, bench, in_loop

from modelet.local.gateway import Gateway
from modelet.local.limits import GATEWAY_BODY_BYTES, LAMBDA_EVENT_BYTES
from modelet.local.router import CATALOG, Router, Serving
from modelet.local.service import listen

PREDICT = "/models/probe/predict"


@asynccontextmanager
async def served(
    scratch: Path, timeout_s: float = 30.0, **changes: Any
) -> AsyncIterator[tuple[aiohttp.ClientSession, Bench]]:
    """The probe as a model, and as the catalog, behind a gateway."""
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(bench(scratch, **changes))
        functions = {("probe", 1): made.function, (CATALOG, 0): made.function}
        router = Router({"probe": Serving([1], 1)})
        gateway = Gateway(
            router, lambda target: functions[target.model, target.version], made.metrics, timeout_s
        )
        url = await listen(stack, gateway.application(), "127.0.0.1", 0)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(url, auto_decompress=False, skip_auto_headers={"Content-Type"})
        )
        yield session, made


async def answer(response: aiohttp.ClientResponse) -> Any:
    return json.loads(await response.read())


@in_loop
async def test_a_request_reaches_the_handler_as_an_event(tmp_path: Path) -> None:
    async with served(tmp_path) as (http, _):
        headers = {"Content-Type": "image/png", "Cookie": "a=1", "X-Many": "1"}
        response = await http.put(PREDICT + "?k=a%20b", data=b"\x89PNG\x00\xff", headers=headers)
        assert response.status == 200
        assert response.headers["content-type"] == "application/json"
        assert response.headers["apigw-requestid"]
        seen = await answer(response)
        event = seen["event"]
        assert event["requestContext"]["http"]["method"] == "PUT"
        assert event["requestContext"]["requestId"] == response.headers["apigw-requestid"]
        assert event["queryStringParameters"] == {"k": "a b"}
        assert event["cookies"] == ["a=1"]
        assert event["headers"]["x-many"] == "1"
        assert base64.b64decode(event["body"]) == b"\x89PNG\x00\xff"
        assert seen["arn"].endswith(":live")
        assert event["headers"]["x-amzn-trace-id"].startswith("Root=1-")
        assert "_X_AMZN_TRACE_ID" not in seen["environment"]


@in_loop
async def test_a_callers_own_trace_reaches_the_function(tmp_path: Path) -> None:
    async with served(tmp_path) as (http, _):
        for value, expected in (("Root=1-abc;Sampled=1", "Root=1-abc;Sampled=1"), ("grün", None)):
            seen = await answer(await http.post(PREDICT, headers={"X-Amzn-Trace-Id": value}))
            assert seen["environment"].get("_X_AMZN_TRACE_ID") == expected


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
@in_loop
async def test_every_method_is_passed_on(tmp_path: Path, method: str) -> None:
    async with served(tmp_path) as (http, _):
        response = await http.request(method, PREDICT)
        assert (await answer(response))["event"]["requestContext"]["http"]["method"] == method


@in_loop
async def test_head_has_the_headers_and_no_body(tmp_path: Path) -> None:
    async with served(tmp_path) as (http, _):
        response = await http.head(PREDICT)
        assert response.status == 200
        assert int(response.headers["content-length"]) > 100
        assert await response.read() == b""


@in_loop
async def test_the_handlers_response_comes_back_whole(tmp_path: Path) -> None:
    body = bytes(range(256)) * 3
    result = {
        "statusCode": 418,
        "headers": {"content-type": "application/octet-stream", "content-encoding": "gzip", "x-a": "b"},
        "cookies": ["a=1", "b=2; Path=/"],
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    async with served(tmp_path) as (http, _):
        response = await http.post(
            PREDICT, data=json.dumps({"return": result}), headers={"Content-Type": "application/json"}
        )
        assert response.status == 418
        assert await response.read() == body
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["x-a"] == "b"
        assert response.headers.getall("set-cookie") == ["a=1", "b=2; Path=/"]


@pytest.mark.parametrize(
    ("order", "status", "message"),
    [
        ({"raise": "x"}, 500, "Internal Server Error"),
        ({"return": {"statusCode": "no"}}, 500, "Internal Server Error"),
        ({"exit": 1}, 502, "Bad Gateway"),
        ({"signal": "SIGSEGV"}, 502, "Bad Gateway"),
        ({"sleep_s": 9}, 500, "Internal Server Error"),
        ({"return_bytes": LAMBDA_EVENT_BYTES + 200}, 500, "Internal Server Error"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
@in_loop
async def test_failures_have_their_status_and_the_next_request_works(
    tmp_path: Path, order: dict, status: int, message: str
) -> None:
    async with served(tmp_path, timeout_s=10, concurrency=4) as (http, made):
        made.function.spec = type(made.function.spec)(**{**_fields(made), "timeout_s": 1.0})
        headers = {"Content-Type": "application/json"}
        response = await http.post(PREDICT, data=json.dumps(order), headers=headers)
        document = await answer(response)
        assert response.status == status
        assert document["message"] == message
        assert document["error"]
        assert document["request_id"] == response.headers["apigw-requestid"]
        assert "Traceback" not in json.dumps(document)
        assert " ERROR " in made.log
        assert (await http.post(PREDICT)).status == 200


def _fields(made: Bench) -> dict[str, Any]:
    spec = made.function.spec
    return {name: getattr(spec, name) for name in spec.__slots__}


@in_loop
async def test_the_gateway_does_not_wait_longer_than_it_says(tmp_path: Path) -> None:
    async with served(tmp_path, timeout_s=0.3) as (http, made):
        await made.order()
        response = await http.post(
            PREDICT, data=b'{"sleep_s": 1}', headers={"Content-Type": "application/json"}
        )
        assert response.status == 503
        assert (await answer(response))["message"] == "Service Unavailable"
        assert "did not answer within 0.3 s" in made.log


@in_loop
async def test_the_body_limit_of_api_gateway(tmp_path: Path) -> None:
    async with served(tmp_path) as (http, made):
        response = await http.post(PREDICT, data=io.BytesIO(b"x" * (GATEWAY_BODY_BYTES + 1)))
        assert response.status == 413
        assert "10,485,760" in (await answer(response))["error"]

        async def in_chunks() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b"x" * 1024 * 1024

        assert (await http.post(PREDICT, data=in_chunks())).status == 413
        assert made.function.environments == ()


@in_loop
async def test_the_event_limit_of_lambda_counts_base64(tmp_path: Path) -> None:
    fits = LAMBDA_EVENT_BYTES * 3 // 4 - 1500
    order = b'{"return": {"statusCode": 200, "body": "ok"}}'
    async with served(tmp_path) as (http, _):
        assert (await http.post(PREDICT, data=io.BytesIO(order.ljust(fits)))).status == 200
        response = await http.post(PREDICT, data=io.BytesIO(b" " * (fits + 1500)))
        assert response.status == 413
        assert (await answer(response))["message"] == "Request Entity Too Large"


@in_loop
async def test_two_hundred_at_once_are_answered_or_refused(tmp_path: Path) -> None:
    async with served(tmp_path, concurrency=8) as (http, _):
        responses = await asyncio.gather(*(http.post(PREDICT) for _ in range(200)))
        statuses = [response.status for response in responses]
        assert set(statuses) <= {200, 429}
        assert statuses.count(200) >= 8
        for response in responses:
            document = await answer(response)
            if response.status == 429:
                assert response.headers["retry-after"] == "1"
                assert "8 requests at once" in document["error"]


@in_loop
async def test_strange_paths_reach_the_catalog(tmp_path: Path) -> None:
    async with served(tmp_path) as (http, _):
        for target in ("/", "/a%2Fb", "/%ff", "/%0A", "//x//y/", "/a?b?c", "/%00", "/models/none/predict"):
            reader, writer = await asyncio.open_connection(http._base_url.host, http._base_url.port)
            request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            reply = await reader.read()
            assert reply.startswith(b"HTTP/1.1 200 "), (target, reply[:100])
            writer.close()
            await writer.wait_closed()


@in_loop
async def test_what_is_not_http_is_a_bad_request(tmp_path: Path) -> None:
    async with served(tmp_path) as (http, made):
        for request in (
            b"nonsense\r\n\r\n",
            b"GET /x HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: minus\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection(http._base_url.host, http._base_url.port)
            writer.write(request)
            assert re.match(rb"HTTP/1\.[01] 4", await reader.read()), request[:40]
            writer.close()
            await writer.wait_closed()
        assert made.function.environments == ()


@in_loop
async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(tmp_path: Path) -> None:
    async with served(tmp_path) as (http, _):
        reader, writer = await asyncio.open_connection(http._base_url.host, http._base_url.port)
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


@in_loop
async def test_metrics_count_requests_and_what_the_functions_report(tmp_path: Path) -> None:
    emf = {
        "_aws": {
            "Timestamp": 1,
            "CloudWatchMetrics": [
                {
                    "Namespace": "modelet",
                    "Dimensions": [["model"], ["model", "version"]],
                    "Metrics": [
                        {"Name": "requests", "Unit": "Count"},
                        {"Name": "infer_ms", "Unit": "Milliseconds"},
                    ],
                }
            ],
        },
        "model": "probe",
        "version": "1",
        "requests": [1, 2.0],
        "infer_ms": 1.5,
    }
    async with served(tmp_path) as (http, made):
        await made.order(print=json.dumps(emf))
        await http.post(PREDICT)
        response = await http.get("/metrics")
        text = await response.text()
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'modelet_requests_total{model="probe",version="1"} 3.0' in text
        assert 'modelet_infer_ms_bucket{le="1",model="probe",version="1"} 0.0' in text
        assert 'modelet_infer_ms_bucket{le="2",model="probe",version="1"} 1.0' in text
        assert 'modelet_infer_ms_sum{model="probe",version="1"} 1.5' in text
        assert 'modelet_gateway_requests_total{alias="live",function="probe",status="200"} 1.0' in text
        assert 'modelet_function_environments{function="probe"} 1.0' in text
        assert "_aws" not in made.log
