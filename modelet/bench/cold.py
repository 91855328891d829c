"""Cold start and memory: the function under AWS's emulator against a bare ONNX Runtime script."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from modelet.bench.emulator import emulate
from modelet.bench.sampling import Ratio, Samples, alternate, ratio

_ECHO = "def handler(event, context):\n    return event\n"
_BARE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
feed = dict(numpy.load(sys.argv[2]))
session.run(None, feed)
"""
_KIB_PER_MIB = 1024


def measure(
    model: str,
    function: Path,
    environment: Mapping[str, str],
    event: bytes,
    graph: Path,
    feed: Path,
    scratch: Path,
    rounds: int,
) -> list[Ratio]:
    """Compare the cold start and peak memory of one model's function with the bare script's.

    Args:
        model: The model's name, for the titles.
        function: The folder of the predict function.
        environment: What the function needs to find its model.
        event: A payload 2.0 event with a real input.
        graph: The ONNX file the bare script loads.
        feed: An `.npz` with the same input.
        scratch: A folder for the echo function.
        rounds: Counted rounds.
    """
    (scratch / "echo.py").write_text(_ECHO)
    bare = [sys.executable, "-c", _BARE, str(graph), str(feed)]
    peaks: Samples = {"function MiB": [], "bare MiB": []}

    def function_s() -> float:
        seconds, peak_mib = _launch(function, "handler.handler", environment, event)
        peaks["function MiB"].append(peak_mib)
        return seconds

    def bare_s() -> float:
        seconds, peak_mib = _run(bare)
        peaks["bare MiB"].append(peak_mib)
        return seconds

    samples = alternate(
        {
            "function s": function_s,
            "echo s": lambda: _launch(scratch, "echo.handler", environment, event)[0],
            "bare s": bare_s,
            "python s": lambda: _run([sys.executable, "-c", "pass"])[0],
        },
        rounds,
    )
    return [
        ratio(
            f"{model}: cold start net of an echo function / bare ONNX Runtime net of Python",
            samples,
            lambda m: (m["function s"] - m["echo s"]) / (m["bare s"] - m["python s"]),
            target=0.45,
        ),
        ratio(
            f"{model}: peak memory / bare ONNX Runtime",
            peaks,
            lambda m: m["function MiB"] / m["bare MiB"],
            target=0.6,
        ),
    ]


def _launch(folder: Path, handler: str, environment: Mapping[str, str], event: bytes) -> tuple[float, float]:
    """Seconds from launching the emulator to the first answer, and the function's peak memory in MiB."""
    start = time.perf_counter()
    with emulate(handler, folder, environment) as emulator:
        answer = emulator.invoke(event)
        seconds = time.perf_counter() - start
        if b"errorType" in answer or b'"statusCode":5' in answer:
            text = answer[:500].decode(errors="replace")
            raise RuntimeError(f"{handler} failed under the emulator: {text}")
        return seconds, _peak_mib(_child_of(emulator.process.pid))


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds a whole process takes, and its peak memory in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / _KIB_PER_MIB


def _child_of(pid: int) -> int:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        children = (thread / "children").read_text().split()
        if children:
            return int(children[0])
    raise RuntimeError(f"process {pid} has no child")


def _peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / _KIB_PER_MIB
    raise RuntimeError(f"process {pid} has no peak memory")
