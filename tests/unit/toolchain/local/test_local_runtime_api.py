"""The Runtime API as its documentation has it, in bytes as they may come."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.lambdas import in_loop

from modelet.local.limits import LAMBDA_RESULT_BYTES
from modelet.local.runtime_api import Invocation, RuntimeApi

INVOCATION = Invocation(
    "id-1", b'{"a": 1}', 1_700_000_000_123, "arn:aws:lambda:r:0:function:f:live", "Root=1"
)
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


class Heard:
    """Keeps what the API reports."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, object]] = []

    def on_ready(self) -> None:
        self.reports.append(("ready", None))

    def on_result(self, result: bytes) -> None:
        self.reports.append(("result", result))

    def on_result_too_large(self, result_bytes: int) -> None:
        self.reports.append(("too large", result_bytes))

    def on_error(self, error: bytes) -> None:
        self.reports.append(("error", error))

    def on_init_error(self, error: bytes) -> None:
        self.reports.append(("init error", error))

    def on_snapshot(self) -> None:
        self.reports.append(("snapshot", None))

    def on_restore_error(self, error: bytes) -> None:
        self.reports.append(("restore error", error))


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[RuntimeApi, Heard, "Client"]]:
    heard = Heard()
    api = RuntimeApi(heard)
    host, port = (await api.start()).split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield api, heard, Client(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()
        api.close()


class Client:
    """A connection that sends bytes and reads responses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def post(self, path: str, body: bytes) -> None:
        head = f"POST /2018-06-01/runtime/{path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))


@pytest.mark.parametrize("asks_first", [True, False])
@in_loop
async def test_an_invocation_from_next_to_response(asks_first: bool) -> None:
    async with opened() as (api, heard, client):
        if not asks_first:
            api.send(INVOCATION)
        client.writer.write(NEXT)
        if asks_first:
            while not heard.reports:
                await asyncio.sleep(0)
            assert not api.has_taken
            api.send(INVOCATION)
        status, headers, body = await client.answer()
        assert (status, body) == (200, b'{"a": 1}')
        assert headers["content-type"] == "application/json"
        assert headers["lambda-runtime-aws-request-id"] == "id-1"
        assert headers["lambda-runtime-deadline-ms"] == "1700000000123"
        assert headers["lambda-runtime-invoked-function-arn"] == INVOCATION.function_arn
        assert headers["lambda-runtime-trace-id"] == "root=1"
        assert api.has_taken
        client.post("invocation/id-1/response", b'"done"')
        assert (await client.answer())[0] == 202
        assert heard.reports == [("ready", None), ("result", b'"done"')]
        assert not api.has_taken


@in_loop
async def test_bytes_may_come_one_by_one() -> None:
    async with opened() as (api, heard, client):
        api.send(INVOCATION)
        client.writer.write(NEXT)
        await client.answer()
        body = "ä".encode() * 10
        request = (
            "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\n"
            f"content-LENGTH: {len(body)}\r\n\r\n"
        ).encode() + body
        for byte in request:
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.answer())[0] == 202
        assert heard.reports[-1] == ("result", body)


@in_loop
async def test_errors_are_passed_on() -> None:
    async with opened() as (api, heard, client):
        client.post("init/error", b'{"errorType": "A"}')
        assert (await client.answer())[0] == 202
        api.send(INVOCATION)
        client.writer.write(NEXT)
        await client.answer()
        client.post("invocation/id-1/error", b'{"errorType": "B"}')
        assert (await client.answer())[0] == 202
        assert [name for name, _ in heard.reports] == ["init error", "ready", "error"]


@in_loop
async def test_a_snapshot_is_answered_when_it_is_restored() -> None:
    async with opened() as (api, heard, client):
        client.writer.write(b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n")
        while not heard.reports:
            await asyncio.sleep(0)
        api.restore()
        status, _, body = await client.answer()
        assert (status, body) == (200, b"")
        client.post("restore/error", b'{"errorType": "C"}')
        assert (await client.answer())[0] == 202
        assert heard.reports == [("snapshot", None), ("restore error", b'{"errorType": "C"}')]


@in_loop
async def test_a_result_over_the_limit_is_refused_unread() -> None:
    async with opened() as (api, heard, client):
        api.send(INVOCATION)
        client.writer.write(NEXT)
        await client.answer()
        client.post("invocation/id-1/response", b"x" * (LAMBDA_RESULT_BYTES + 1))
        status, _, body = await client.answer()
        assert (status, json.loads(body)["errorType"]) == (413, "RequestEntityTooLarge")
        assert heard.reports[-1] == ("too large", LAMBDA_RESULT_BYTES + 1)


@in_loop
async def test_what_does_not_belong_here_is_refused() -> None:
    async with opened() as (_, heard, client):
        client.post("invocation/id-1/response", b"1")
        status, _, body = await client.answer()
        assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")
        client.post("nothing", b"")
        assert (await client.answer())[0] == 404
        client.writer.write(NEXT.replace(b"GET", b"PUT"))
        assert (await client.answer())[0] == 404
        client.writer.write(b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await client.answer())[0] == 411
        assert await client.reader.read() == b""
        assert heard.reports == []


@in_loop
async def test_an_endless_head_is_cut_off() -> None:
    async with opened() as (_, heard, client):
        client.writer.write(b"GET / HTTP/1.1\r\nX: " + b"y" * 3_000_000)
        assert (await client.answer())[0] == 431
        assert heard.reports == []
