"""`serve` for SageMaker's container contract, on the standard library's HTTP server.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import argparse
import contextlib
import io
import signal
import socket
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import FrameType
from urllib.parse import unquote, urlsplit

from modelet_runtime import startup
from modelet_runtime.errors import ClientError, InvalidRequest, PayloadTooLarge
from modelet_runtime.http import failures
from modelet_runtime.http.compression import MAX_INFLATED_BYTES
from modelet_runtime.http.messages import JSON, LARGE_DATA_WAY, Request, Response, request_id
from modelet_runtime.manifest import FILE_NAME
from modelet_runtime.settings import Settings

PORT = 8080
# Where SageMaker unpacks an artifact.
SAGEMAKER_MODEL_DIR = Path("/opt/ml/model")

# SageMaker gives up on an invocation after 60 s.
_ANSWER_TIME_S = 60.0
# A client that is silent for so long between requests, or within one, loses its connection.
_IDLE_S = 75.0


class LengthRequired(ClientError):
    """A body without a `Content-Length`, which this server does not take."""

    status = 411
    code = "length_required"


class Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, hands them to the application, writes its answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _IDLE_S
    error_content_type = JSON
    error_message_format = '{"error": "%(message)s", "code": "bad_request"}'
    server: "Server"

    def handle_one_request(self) -> None:
        """Wait for one request and answer it."""
        self.server.set_idle(self.connection, True)
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Read the head of a request that has begun to come in."""
        self.server.set_idle(self.connection, False)
        return super().parse_request()

    def finish(self) -> None:
        """End the connection."""
        self.server.set_idle(self.connection, False)
        super().finish()

    def _answer(self) -> None:
        assigned = str(uuid.uuid4())
        try:
            response = self.server.application(self._request(assigned))
        except ClientError as error:  # the body is unread, so nothing more can come on this connection
            self.close_connection = True
            response = failures.to_response(error, assigned)
        if self.server.is_draining:
            self.close_connection = True
        self._write(response)

    def _request(self, assigned: str) -> Request:
        target = urlsplit(self.path)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        return Request(
            method=self.command,
            path=unquote(target.path),
            headers=headers,
            body=self._body(headers),
            request_id=request_id(headers, assigned),
            remaining_s=_ANSWER_TIME_S,
        )

    def _body(self, headers: dict[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            raise LengthRequired("send a Content-Length instead of chunks")
        text = headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()):
            raise InvalidRequest("content-length", "a length in bytes", text)
        if int(text) > MAX_INFLATED_BYTES:
            raise PayloadTooLarge(f"the body is over {MAX_INFLATED_BYTES} bytes: {LARGE_DATA_WAY}")
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            raise InvalidRequest("body", f"{text} bytes", f"{len(body)}")
        return body

    def _write(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the metrics have a line per request."""


class Server(ThreadingHTTPServer):
    """An HTTP/1.1 server around an application, with a thread per connection."""

    daemon_threads = False  # `server_close` waits for requests that are being answered
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Callable[[Request], Response]) -> None:
        self.application = application
        self.is_draining = False
        self._idle: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, Handler)

    def set_idle(self, connection: socket.socket, is_idle: bool) -> None:
        """Note whether a connection waits for its next request."""
        with self._lock:
            if not is_idle:
                self._idle.discard(connection)
            elif self.is_draining:
                _end_input(connection)
            else:
                self._idle.add(connection)

    def drain(self) -> None:
        """Take no more requests and answer those that have begun; `serve_forever` returns."""
        with self._lock:
            self.is_draining = True
            for connection in self._idle:
                _end_input(connection)
        self.shutdown()


def serve(server: Server) -> None:
    """Serve until SIGTERM or SIGINT, then finish what has begun."""

    def stop(number: int, frame: FrameType | None) -> None:
        Thread(target=server.drain).start()  # the main thread is the one that has to stop serving

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with server:
        server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the model of this container."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve"], help="what SageMaker says; optional")
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104  SageMaker calls from outside the container
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # the metrics, a line per request
    settings = Settings.from_environment()
    if (SAGEMAKER_MODEL_DIR / FILE_NAME).is_file():
        settings = replace(settings, model_dir=SAGEMAKER_MODEL_DIR)
    serve(Server((options.host, options.port), startup.begin(settings).finish()))


def _end_input(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client may have gone
        connection.shutdown(socket.SHUT_RD)


if __name__ == "__main__":
    main()
