"""Sixteen clients at once for a minute: every answer right, nobody dies, nobody grows.

`make soak` runs it; `SOAK_SECONDS` and `SOAK_CLIENTS` change it. Its name keeps it out of `make test`.
"""

import json
import os
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from onnx import TensorProto
from support.artifacts import write_version
from support.graphs import add_and_scale, identity
from support.service import Running, running

from modelet.paths import MODELS
from modelet.repository import Repository, served_version

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
CLIENTS = int(os.environ.get("SOAK_CLIENTS", "16"))

# A process has its size after some 2,000 requests, and the service when all environments are up; one that
# went on losing a hundred bytes with each request would be over these after a minute.
FUNCTION_GROWTH_KIB = 1_000
SERVICE_GROWTH_KIB = 3_000

JSON = {"content-type": "application/json"}


@dataclass
class Call:
    """A request that always has the same answer."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    expected: bytes = b""


def calls(models: Path) -> list[Call]:
    """JSON, binary and friendly requests, small and large, and the catalog's."""
    infer = {
        "inputs": [
            {"name": name, "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]} for name in ("a", "b")
        ]
    }
    pixels = struct.pack("<100000B", *(index % 251 for index in range(100_000)))
    found = [
        Call("POST", "/v2/models/demo_sum/infer", json.dumps(infer).encode(), JSON),
        Call("POST", "/models/demo_sum/predict", b'{"a": [1, 2], "b": [3, 4]}', JSON),
        Call("POST", "/v1/models/demo_sum:predict", b'{"instances": [{"a": [1, 2], "b": [3, 4]}]}', JSON),
        Call("POST", "/v2/models/demo_wide/infer", pixels, {"inference-header-content-length": "0"}),
        Call("POST", "/models/demo_text/predict", "grüß dich".encode(), {"content-type": "text/plain"}),
        Call("GET", "/v2/models/demo_sum"),
        Call("GET", "/v2/models"),
        Call("GET", "/"),
    ]
    for model in Repository(models).models():
        samples = sorted((model.path / "samples").glob("*"))
        found += [Call("POST", f"/models/{model.name}/predict", path.read_bytes()) for path in samples[:8]]
    return found


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small graphs, and every model of the checkout that is built."""
    root = tmp_path_factory.mktemp("models")
    for name, proto in (
        ("demo_sum", add_and_scale()),
        ("demo_wide", identity(TensorProto.UINT8, ("n",))),
        ("demo_text", identity(TensorProto.STRING, ("n",))),
    ):
        write_version(root / name / "versions" / "1", proto, name)
    for model in Repository(MODELS).models():
        if served_version(model):
            (root / model.name).symlink_to(model.path.resolve())
    return root


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[Running]:
    with running(models) as up:
        yield up


class Client(threading.Thread):
    """Calls in turn, each time comparing with the answer that one client alone got."""

    def __init__(self, number: int, service: Running, turns: list[Call], until_s: float) -> None:
        super().__init__()
        self.latencies_ms: list[float] = []
        self.failures: list[str] = []
        self._number = number
        self._service = service
        self._turns = turns
        self._until_s = until_s

    def run(self) -> None:
        connection = self._service.connect()
        turn = self._number
        while time.monotonic() < self._until_s:
            call = self._turns[turn % len(self._turns)]
            turn += 1
            began_s = time.perf_counter()
            connection.request(call.method, call.path, call.body, call.headers)
            response = connection.getresponse()
            answer = response.read()
            self.latencies_ms.append((time.perf_counter() - began_s) * 1000)
            if response.status != 200 or answer != call.expected:
                self.failures.append(f"{call.method} {call.path}: {response.status} {answer[:200]!r}")
        connection.close()


def private_kib(pid: int) -> int:
    """Memory that is a process's own; mapped files are the page cache's."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))


def memory(service: Running) -> dict[int, int]:
    return {pid: private_kib(pid) for pid in (service.process.pid, *service.descendants())}


def test_soak(service: Running, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = calls(models)
    for call in turns:
        status, _, call.expected = service.call(call.method, call.path, call.body, call.headers)
        assert status == 200, (call.path, call.expected)
    until_s = time.monotonic() + SECONDS
    clients = [Client(number, service, turns, until_s) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    # A process counts when it is up for a while, so that buffers and caches have their size.
    time.sleep(SECONDS / 4)
    settled = memory(service)
    time.sleep(SECONDS / 12)
    before = {pid: kib for pid, kib in memory(service).items() if pid in settled}
    for client in clients:
        client.join()
    after = memory(service)

    latencies_ms = sorted(latency for client in clients for latency in client.latencies_ms)
    failures = [failure for client in clients for failure in client.failures]
    grown = {pid: after[pid] - before[pid] for pid in before if pid in after}
    service_grown = grown.pop(service.process.pid)
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{CLIENTS} clients, {SECONDS:g} s: {len(latencies_ms):,} requests,"
            f" {len(latencies_ms) / SECONDS:.0f}/s, p50 {statistics.median(latencies_ms):.1f} ms,"
            f" p99 {latencies_ms[int(len(latencies_ms) * 0.99)]:.1f} ms, {len(failures)} failures;"
            f" {len(grown)} function processes, private memory grew by at most"
            f" {max(grown.values())} KiB (median {statistics.median(grown.values()):.0f}),"
            f" the service's by {service_grown} KiB of {after[service.process.pid]}"
        )
    assert not failures, failures[:5]
    assert set(before) <= set(after), "a process that was up has ended"
    assert max(grown.values()) < FUNCTION_GROWTH_KIB
    assert service_grown < SERVICE_GROWTH_KIB
