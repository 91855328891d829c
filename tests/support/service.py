"""The service as people start it: a process of its own, waited for by its ready line."""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from support.lambdas import is_alive

SERVE = """
import sys
from pathlib import Path
from modelet.errors import Refused
from modelet.local.service import serve
try:
    snap_start, access_log = "--snapstart" in sys.argv, "--access-log" in sys.argv
    serve(Path(sys.argv[1]), int(sys.argv[2]), snap_start=snap_start, access_log=access_log)
except Refused as refused:
    sys.exit(str(refused))
"""


@dataclass
class Running:
    """A service that is up.

    Attributes:
        process: The service.
        scratch: Its temporary folder.
        lines: What it has written, as it comes.
        url: Where it listens.
    """

    process: subprocess.Popen[str]
    scratch: Path
    lines: list[str] = field(default_factory=list)
    url: str = ""

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it."""
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body of one request."""
        connection = self.connect()
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, {n.lower(): v for n, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def descendants(self) -> list[int]:
        """Ids of the processes below it."""
        found, rest = [], [self.process.pid]
        while rest:
            for task in Path(f"/proc/{rest.pop()}/task").glob("*/children"):
                children = [int(pid) for pid in task.read_text().split()]
                found += children
                rest += children
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextmanager
def running(models: Path, *options: str, script: str = SERVE) -> Iterator[Running]:
    """Start the service on a free port; at the end it is gone, and so is everything it made."""
    with tempfile.TemporaryDirectory() as scratch:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(models), "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": scratch, "COLUMNS": "40"},
            start_new_session=True,
        )
        service = Running(process, Path(scratch))
        ready = threading.Event()
        reader = threading.Thread(target=_read, args=(service, ready))
        reader.start()
        try:
            assert ready.wait(30), "".join(service.lines)
            assert service.url, "".join(service.lines)
            yield service
            if process.poll() is None:
                pids = service.descendants()
                assert service.stop() == 0
                assert not any(is_alive(pid) for pid in pids)
                assert list(service.scratch.iterdir()) == []
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join()
            assert process.stdout is not None
            process.stdout.close()


def _read(service: Running, ready: threading.Event) -> None:
    assert service.process.stdout is not None
    for line in service.process.stdout:
        service.lines.append(line)
        if line.startswith("ready "):
            service.url = line.split()[1]
            ready.set()
    ready.set()
