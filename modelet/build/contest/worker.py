"""The process one candidate runs in: the function's own runtime, and no numpy to blur its memory.

Every message is a JSON object; `do` names the question. The answer has what was asked, or `error`.
"""

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from modelet.build.framing import receive, send
from modelet.tensor_json import from_json, to_json
from modelet_runtime.ort import OrtSession
from modelet_runtime.tensor import Tensor

_MS = 1000.0
_KIB_PER_MIB = 1024


class Worker:
    """One model file and the inputs it is timed on."""

    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._threads = threads
        # What else this machine does is not the candidate's fault: a run of one thread is as long as the
        # processor works on it, and on an idle machine the clock says the same.
        self._clock_s = process_time if threads == 1 else perf_counter
        self._session: OrtSession | None = None
        self._kept: list[Sequence[Tensor]] = []

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is asked; whatever fails becomes `{"error": ...}`."""
        try:
            return self._do(question)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _do(self, question: Mapping[str, Any]) -> dict[str, Any]:
        match question["do"]:
            case "open":
                self._session = OrtSession(self._path, self._threads)
                return {}
            case "run":
                inputs = [from_json(tensor) for tensor in question["inputs"]]
                return {"outputs": [to_json(tensor) for tensor in self._opened().run(inputs)]}
            case "keep":
                self._kept.append([from_json(tensor) for tensor in question["inputs"]])
                return {}
            case "time":
                return {"ms": self._time(self._kept[question["kept"]], question["runs"])}
            case "load":
                return {"ms": self._load()}
            case _:
                return {"mib": peak_mib()}

    def _opened(self) -> OrtSession:
        assert self._session is not None, "open comes first"
        return self._session

    def _time(self, inputs: Sequence[Tensor], runs: int) -> float:
        """Milliseconds of one run, over several in a row."""
        session = self._opened()
        started_s = self._clock_s()
        for _ in range(runs):
            session.run(inputs)
        return (self._clock_s() - started_s) * _MS / runs

    def _load(self) -> float:
        """Milliseconds to create a session, the library being loaded."""
        started_s = self._clock_s()
        session = OrtSession(self._path, self._threads)
        elapsed_ms = (self._clock_s() - started_s) * _MS
        session.close()
        return elapsed_ms


def peak_mib() -> float:
    """The most memory this process has had; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / _KIB_PER_MIB for line in lines if line.startswith("VmHWM:")), 0.0)


def main() -> None:
    """Answer on the socket whose descriptor is the first argument, until the other side closes it."""
    descriptor, path, threads = sys.argv[1:]
    worker = Worker(Path(path), int(threads))
    with socket.socket(fileno=int(descriptor)) as connection:
        while True:
            try:
                question = json.loads(receive(connection))
            except EOFError:
                return
            send(connection, json.dumps(worker.answer(question)).encode())


if __name__ == "__main__":
    main()
