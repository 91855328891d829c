"""Cold start and memory: the function under AWS's emulator against a bare ONNX Runtime script."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from modelet.bench.emulator import emulate
from modelet.bench.sampling import Ratio, alternate, ratio

_ECHO = "def handler(event, context):\n    return event\n"
# What a script says at its end: the kernel's `ru_maxrss` has the memory of whoever launched it in it.
_TELL_PEAK = """
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""
_BARE = f"""
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
feed = dict(numpy.load(sys.argv[2]))
session.run(None, feed)
{_TELL_PEAK}"""
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
    """Compare the cold start, its CPU time and peak memory of a model's function with the bare script's.

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
    parts = things(function, environment, event, graph, feed, scratch, scratch / "bytecode")
    costs = {name: Costs() for name in parts}

    def timed(name: str) -> float:
        cost = parts[name]()
        costs[name].add(cost)
        return cost.wall_s

    walls = alternate({name: partial(timed, name) for name in parts}, rounds)
    return [
        ratio(
            f"{model}: cold start net of an echo function / bare ONNX Runtime net of Python",
            walls,
            net_ratio,
            target=0.45,
        ),
        ratio(
            f"{model}: CPU time of a cold start, net / bare ONNX Runtime, net",
            {name: of.cpu_s[-rounds:] for name, of in costs.items()},
            net_ratio,
            target=None,
        ),
        ratio(
            f"{model}: peak memory / bare ONNX Runtime",
            {f"{name} MiB": costs[name].peak_mib[-rounds:] for name in ("function", "bare")},
            lambda m: m["function MiB"] / m["bare MiB"],
            target=0.6,
        ),
    ]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one start cost.

    Attributes:
        wall_s: From launching it until it had answered.
        cpu_s: CPU time of the process until then, which other load on the machine hardly changes.
        peak_mib: The most memory it had.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What many starts cost, each figure in a list of its own."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)

    def add(self, cost: Cost) -> None:
        """Take one more."""
        self.wall_s.append(cost.wall_s)
        self.cpu_s.append(cost.cpu_s)
        self.peak_mib.append(cost.peak_mib)


def things(
    function: Path,
    environment: Mapping[str, str],
    event: bytes,
    graph: Path,
    feed: Path,
    scratch: Path,
    bytecode: Path | None = None,
) -> dict[str, Callable[[], Cost]]:
    """The four things that a cold start is compared by; arguments as of `measure`, and one more.

    All four keep the bytecode of what they import in `bytecode`, so that none of them compiles for want of
    it: not every installer writes it beside the packages. None is for where it is known to be there.
    """
    (scratch / "echo.py").write_text(_ECHO)
    kept = {} if bytecode is None else {"PYTHONPYCACHEPREFIX": str(bytecode)}
    of_function = {**environment, **kept}
    of_script = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | kept
    return {
        "function": lambda: launch(function, "handler.handler", of_function, event),
        "echo": lambda: launch(scratch, "echo.handler", of_function, event),
        "bare": lambda: run([sys.executable, "-c", _BARE, str(graph), str(feed)], of_script),
        "python": lambda: run([sys.executable, "-c", _TELL_PEAK], of_script),
    }


def net_ratio(costs: Mapping[str, float]) -> float:
    """The function without what any function costs, over the bare script without what any script costs."""
    return (costs["function"] - costs["echo"]) / (costs["bare"] - costs["python"])


def launch(folder: Path, handler: str, environment: Mapping[str, str], event: bytes) -> Cost:
    """From launching the emulator to the function's first answer."""
    start = time.perf_counter()
    with emulate(handler, folder, environment) as emulator:
        answer = emulator.invoke(event)
        seconds = time.perf_counter() - start
        if b"errorType" in answer or b'"statusCode":5' in answer:
            text = answer[:500].decode(errors="replace")
            raise RuntimeError(f"{handler} failed under the emulator: {text}")
        pid = _child_of(emulator.process.pid)
        return Cost(seconds, _cpu_s(pid), _peak_mib(pid))


def run(command: list[str], environ: Mapping[str, str]) -> Cost:
    """A whole process, which says at its end how much memory it had."""
    start = time.perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        told = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, int(told) / _KIB_PER_MIB)


def _cpu_s(pid: int) -> float:
    """CPU time of another process, threads that ended included, to the nanosecond.

    Source: the number is what the C library's `clock_getcpuclockid` makes of a process id.
    """
    return time.clock_gettime(~pid << 3 | 2)


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
