"""A candidate in a process of its own: what it answers, how long it takes, and how it ends."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modelet.build.framing import receive, send
from modelet.tensor_json import from_json, to_json
from modelet_runtime.tensor import Tensor

# A run this long would not fit a request anyway; Lambda ends functions after 900 s.
_TIMEOUT_S = 300.0
_END_TIMEOUT_S = 5.0
# Where files are found and nothing else: no thread counts, profilers or allocators of this shell.
_PASSED_ON = ("PATH", "HOME", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


class Retired(Exception):
    """A candidate cannot go on; the text says why."""


class Contestant:
    """A model file, loaded in a process of its own.

    Use as a context manager; leaving it ends the process.
    """

    def __init__(self, path: Path, threads: int, timeout_s: float = _TIMEOUT_S) -> None:
        """Start the process and load the file.

        Args:
            path: A `.ort` file, or an `.onnx` file, which is optimised as stock ONNX Runtime does.
            threads: As many as the function has.
            timeout_s: How long one answer may take.

        Raises:
            Retired: The file cannot be loaded.
        """
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(timeout_s)
        module = ["-P", "-B", "-m", "modelet.build.contest.worker"]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *module, str(theirs.fileno()), str(path), str(threads)],
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._ask({"do": "open"})
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Run the graph once."""
        answer = self._ask({"do": "run", "inputs": [to_json(tensor) for tensor in inputs]})
        return [from_json(tensor) for tensor in answer["outputs"]]

    def keep(self, inputs: Sequence[Tensor]) -> None:
        """Keep inputs there, to be timed on."""
        self._ask({"do": "keep", "inputs": [to_json(tensor) for tensor in inputs]})

    def time_ms(self, kept: int, runs: int) -> float:
        """Milliseconds of one run on the inputs that were kept as number `kept`, over `runs` in a row."""
        return float(self._ask({"do": "time", "kept": kept, "runs": runs})["ms"])

    def load_ms(self) -> float:
        """Milliseconds to create a session once more."""
        return float(self._ask({"do": "load"})["ms"])

    def peak_mib(self) -> float:
        """The most memory the process has had so far."""
        return float(self._ask({"do": "memory"})["mib"])

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        try:
            send(self._socket, json.dumps(question).encode())
            answer: dict[str, Any] = json.loads(receive(self._socket))
        except TimeoutError:
            self._process.kill()
            raise Retired(f"it gave no answer within {self._socket.gettimeout():g} s") from None
        except (EOFError, OSError):
            raise Retired(self._last_words()) from None
        if "error" in answer:
            raise Retired(str(answer["error"]))
        return answer

    def _last_words(self) -> str:
        """Why the process ended."""
        code = self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return ": ".join([f"its process ended with {how}", *lines[-1:]])


def _environment() -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"}
