import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest
from support import graphs
from support.artifacts import write_version
from support.http import Client, predictor
from support.manifests import specs

from modelet_runtime.http.compression import MAX_INFLATED_BYTES
from modelet_runtime.http.server import Server

RUNTIME = Path(__file__).parents[3] / "layers/runtime"
ROW = json.dumps({"instances": [[1, 2]]})


class Running:
    """A server on a free port."""

    def __init__(self, function):
        model = predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)), function)
        self.server = Server(("127.0.0.1", 0), Client(model).application)
        self.port = self.server.server_address[1]
        self.connections = []
        self.thread = Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        with self.server:
            self.server.serve_forever(poll_interval=0.01)

    def connect(self):
        self.connections.append(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10))
        return self.connections[-1]

    def stop(self):
        self.server.drain()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def close(self):
        if self.thread.is_alive():
            self.stop()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def serve():
    running = []

    def start(function=lambda inputs: [inputs["x"].renamed("y")]):
        running.append(Running(function))
        return running[-1]

    yield start
    for server in running:
        server.close()


def ask(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response, response.read()


class TestServer:
    def test_the_container_contract(self, serve):
        connection = serve().connect()
        assert ask(connection, "GET", "/ping")[0].status == 200
        response, body = ask(connection, "POST", "/invocations", ROW, {"Content-Type": "application/json"})
        assert (response.status, json.loads(body)) == (200, {"predictions": [[1.0, 2.0]]})

    def test_a_connection_is_kept(self, serve):
        connection = serve().connect()
        ask(connection, "GET", "/ping")
        first = connection.sock
        ask(connection, "GET", "/nothing")
        ask(connection, "POST", "/invocations", ROW)
        assert connection.sock is first

    def test_paths_are_decoded_and_queries_left_out(self, serve):
        connection = serve().connect()
        assert ask(connection, "GET", "/v2/models/demo%5Fmodel?verbose=1")[0].status == 200

    def test_head(self, serve):
        connection = serve().connect()
        response, body = ask(connection, "HEAD", "/ping")
        assert (response.status, body) == (200, b"")
        assert ask(connection, "GET", "/ping")[0].status == 200

    def test_the_request_id_is_echoed_or_made(self, serve):
        connection = serve().connect()
        assert (
            ask(connection, "GET", "/ping", headers={"X-Request-Id": "mine"})[0].headers["x-request-id"]
            == "mine"
        )
        made = {ask(connection, "GET", "/ping")[0].headers["x-request-id"] for _ in range(3)}
        assert len(made) == 3

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Transfer-Encoding": "chunked"}, 411),
            ({"Content-Length": "x"}, 400),
            ({"Content-Length": "-1"}, 400),
            ({"Content-Length": str(MAX_INFLATED_BYTES + 1)}, 413),
        ],
    )
    def test_bodies_whose_end_is_not_known_or_too_far(self, serve, headers, status):
        connection = serve().connect()
        connection.putrequest("POST", "/invocations")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == status
        assert response.headers["connection"] == "close"
        assert isinstance(json.loads(response.read())["error"], str)

    def test_a_request_that_is_none_is_answered_in_json(self, serve):
        with socket.create_connection(("127.0.0.1", serve().port), timeout=10) as connection:
            connection.sendall(b"BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n")
            head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        assert b" 501 " in head
        assert "error" in json.loads(body)

    def test_many_clients_at_once(self, serve):
        server = serve()

        def client(number):
            connection = server.connect()
            return [
                json.loads(ask(connection, "POST", "/invocations", f'{{"instances":[[{number},{turn}]]}}')[1])
                for turn in range(20)
            ]

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(client, range(16)))
        assert answers == [[{"predictions": [[n, turn]]} for turn in range(20)] for n in range(16)]


class TestDrain:
    def test_what_has_begun_is_answered(self, serve):
        entered, may_go = Event(), Event()

        def slow(inputs):
            entered.set()
            assert may_go.wait(10)
            return [inputs["x"].renamed("y")]

        server = serve(slow)
        idle = server.connect()
        ask(idle, "GET", "/ping")
        with ThreadPoolExecutor(2) as pool:
            busy = server.connect()
            answer = pool.submit(ask, busy, "POST", "/invocations", ROW)
            assert entered.wait(10)
            stopping = pool.submit(server.stop)
            time.sleep(0.05)
            assert not stopping.done()
            may_go.set()
            response, _ = answer.result()
            assert (response.status, response.headers["connection"]) == (200, "close")
            stopping.result()
        with pytest.raises(OSError, match="refused"):
            ask(server.connect(), "GET", "/ping")


class TestServe:
    def test_sigterm_ends_the_process_cleanly(self, tmp_path):
        write_version(tmp_path, graphs.softmax(), "demo_softmax")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        arguments = ["-m", "modelet_runtime.http.server", "serve", "--host", "127.0.0.1", "--port", str(port)]
        environment = {**os.environ, "MODELET_MODEL_DIR": str(tmp_path), "PYTHONPATH": str(RUNTIME)}
        with subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                with closing(self.connect(port)) as connection:
                    response, body = ask(connection, "POST", "/invocations", '{"instances": [[0, 0, 0, 0]]}')
                assert (response.status, json.loads(body)) == (200, {"predictions": [[0.25] * 4]})
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 0
        assert [json.loads(line)["status"] for line in output.splitlines()][-1] == 200

    def connect(self, port):
        for _ in range(400):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.connect()
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                return connection
        raise AssertionError("the server did not start")
