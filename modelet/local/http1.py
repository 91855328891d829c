"""As much of an HTTP/1.1 server as one trusted client on loopback needs.

The Runtime API's only client is the runtime in the function's process, twice per request. Parsing these
two by hand instead of through a web framework takes a third off the service's share of a request
(docs/decisions/0050-runtime-api-on-a-bare-protocol.md).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

_END_OF_HEAD = b"\r\n\r\n"
_MAX_HEAD_BYTES = 2 * 1024 * 1024  # the runtime sends an X-Ray cause of up to 1 MiB as a header


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request; names of headers are in lower case.

    Attributes:
        body: The body, empty when it was too large to keep.
        body_bytes: How long the body was.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    body_bytes: int


class Reply(Protocol):
    """Where the response to a call goes; called at any later time, once."""

    def __call__(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> None:
        """Send status, headers and body."""
        ...


class Http1Protocol(asyncio.Protocol):
    """One connection: keep-alive, bodies with a length, one call at a time.

    Args:
        on_call: Called with each request and the way to answer it.
        max_body_bytes: Longer bodies are read and thrown away.
    """

    def __init__(self, on_call: Callable[[Call, Reply], None], max_body_bytes: int) -> None:
        self._on_call = on_call
        self._max_body_bytes = max_body_bytes
        self._transport: asyncio.WriteTransport | None = None
        self._head = bytearray()
        self._chunks: list[bytes] = []
        self._line = ("", "")
        self._headers: dict[str, str] = {}
        self._body_bytes = 0
        self._missing_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; what is answered from now on goes nowhere."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take the next bytes of a head, then of its body."""
        if not self._missing_bytes:
            self._head += data
            end = self._head.find(_END_OF_HEAD)
            if end < 0:
                if len(self._head) > _MAX_HEAD_BYTES:
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
            data = bytes(self._head[end + len(_END_OF_HEAD) :])
            head = bytes(self._head[:end])
            self._head.clear()
            if not self._start(head):
                return
        self._take_body(data)

    def reply(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> None:
        """Answer the call that is open."""
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._transport.writelines(("\r\n".join(lines).encode("latin-1"), _END_OF_HEAD, body))

    def _start(self, head: bytes) -> bool:
        """Read a head; False when the connection had to be closed over it."""
        line, *fields = head.decode("latin-1").split("\r\n")
        method, _, rest = line.partition(" ")
        pairs = (field.partition(":") for field in fields)
        self._headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self._line = (method, rest.partition(" ")[0])
        length = self._headers.get("content-length", "0")
        if "transfer-encoding" in self._headers or not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
            return False
        self._body_bytes = self._missing_bytes = int(length)
        return True

    def _take_body(self, data: bytes) -> None:
        self._missing_bytes -= len(data)
        if self._body_bytes <= self._max_body_bytes:
            self._chunks.append(data)
        if self._missing_bytes > 0:
            return
        # The client waits for each answer, so nothing follows the body.
        self._missing_bytes = 0
        body = b"".join(self._chunks)
        self._chunks.clear()
        self._on_call(Call(*self._line, self._headers, body, self._body_bytes), self.reply)

    def _refuse(self, status: HTTPStatus) -> None:
        self.reply(status, {"Connection": "close"}, b"")
        if self._transport is not None:
            self._transport.close()
