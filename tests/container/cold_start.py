"""Cold start of an image under AWS's emulator, in a container as tight as a function, beside the process.

Run `python tests/container/cold_start.py [MODEL] [ROUNDS]` as root after tests/container/setup.sh. It is no
test, as it asserts no time. The same four things (`modelet.bench.cold`: the function, an echo function, bare
ONNX Runtime, Python alone) are started in turn in three places: as processes of this machine, as
`make bench` does; in the image without limits; in the image as tight as a function. The ratio of each place
is against bare ONNX Runtime in that very place, so neither the machine nor the version of Python is in it.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.containers import BASE_IMAGE, CACHE, Store, confined, open_store

from modelet import paths
from modelet.bench.cold import Cost, Costs, net_ratio
from modelet.bench.requests import Subject
from modelet.build.arrays import to_array
from modelet.packaging import builder, context
from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import PYTHON_VERSION, Architecture
from modelet.repository import Repository, Version

ROUNDS = 15
PLACES = ("process", "open image", "tight image")
THINGS = ("function", "echo", "bare", "python")
_IMAGE = "localhost/cold:1"
_BARE = CACHE / "bare"
# Reads the name of a thing and writes what one start of it cost, until there are no more. Arguments: this
# project, what the bare script imports, the inputs, the function's folder, a folder to write to.
_AGENT = """
import json, os, sys
from dataclasses import asdict
from pathlib import Path
bench, bare, work, function, scratch = map(Path, sys.argv[1:])
sys.path.insert(0, str(bench))
from modelet.bench import cold
if str(bare) != ".":
    os.environ["PYTHONPATH"] = str(bare)
environment = json.loads((work / "environment.json").read_text())
if function.parts[1:2] == ("var",):
    environment |= {"PYTHONPATH": "/opt/python", "MODELET_MODEL_DIR": "/opt/model"}
event = (work / "event.json").read_bytes()
# In the image all of it has bytecode; on this machine it may have none.
bytecode = None if function.parts[1:2] == ("var",) else scratch / "bytecode"
files = work / "model.onnx", work / "feed.npz"
things = cold.things(function, environment, event, *files, scratch, bytecode)
for line in sys.stdin:
    print(json.dumps(asdict(things[line.strip()]())), flush=True)
"""


def main(model: str = "file_type", rounds: str = str(ROUNDS)) -> None:
    """Measure and print."""
    version = Repository(paths.root() / paths.MODELS).version(model)
    subject = Subject.of(version)
    _prepare_bare()
    with open_store() as store, tempfile.TemporaryDirectory() as name:
        inputs = Path(name)
        inputs.chmod(0o755)
        _write_inputs(subject, inputs)
        _build(store, version)
        for title, cpus in (("all CPUs", os.sched_getaffinity(0)), ("one CPU", {0})):
            os.sched_setaffinity(0, cpus)
            _tell(title, _measure(store, inputs, cpus, int(rounds)))


def _measure(store: Store, inputs: Path, cpus: set[int], rounds: int) -> Mapping[str, Mapping[str, Costs]]:
    """The costs of each thing in each place; all are started once per round, and the first does not count."""
    costs = {place: {thing: Costs() for thing in THINGS} for place in PLACES}
    with ExitStack() as stack:
        ask = {place: stack.enter_context(_agent(store, place, inputs, cpus)) for place in PLACES}
        for number in range(rounds + 1):
            for thing in THINGS:
                for place in PLACES:
                    cost = ask[place](thing)
                    if number:
                        costs[place][thing].add(cost)
    return costs


@contextmanager
def _agent(store: Store, place: str, inputs: Path, cpus: set[int]) -> Iterator[Callable[[str], Cost]]:
    """Something in a place that starts things when it is told their names."""
    here = (str(paths.root()), "", str(inputs), str(paths.functions() / "predict"))
    inside = ("/bench", "/bare", "/work", "/var/task/predict")
    with tempfile.TemporaryDirectory() as scratch:
        if place == "process":
            command: Sequence[str] = [sys.executable, "-c", _AGENT, *here, scratch]
        else:
            start = _container(inputs, cpus, is_tight=place == "tight image")
            command = [*start, "--entrypoint=python3", _IMAGE, "-c", _AGENT, *inside, "/tmp"]
        environment = {**os.environ, **store.environment}
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield partial(_ask, process)
            assert process.stdin
            process.stdin.close()


def _container(inputs: Path, cpus: set[int], *, is_tight: bool) -> list[str]:
    volumes = {paths.root(): "/bench", _BARE: "/bare", inputs: "/work"}
    options = [
        "--interactive",
        f"--cpuset-cpus={','.join(map(str, sorted(cpus)))}",
        *(f"--volume={source}:{target}:ro" for source, target in volumes.items()),
    ]
    if is_tight:
        return [*confined(*options, f"--cpus={len(cpus)}")]
    limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
    return ["podman", "--runtime", "runc", "run", "--rm", "--pull=never", "--network=host", *limits, *options]


def _ask(process: "subprocess.Popen[str]", thing: str) -> Cost:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{thing}\n")
    process.stdin.flush()
    return Cost(**json.loads(process.stdout.readline()))


def _tell(title: str, costs: Mapping[str, Mapping[str, Costs]]) -> None:
    print(f"\n{title}: cold start over bare ONNX Runtime, both net")  # noqa: T201
    figures: dict[str, Callable[[Costs], float]] = {
        "wall, median": lambda of: statistics.median(of.wall_s),
        "wall, least": lambda of: min(of.wall_s),
        "CPU, median": lambda of: statistics.median(of.cpu_s),
    }
    for name, figure in figures.items():
        ratios = {
            place: net_ratio({thing: figure(of) for thing, of in things.items()})
            for place, things in costs.items()
        }
        shown = "  ".join(f"{place} {value:.3f}" for place, value in ratios.items())
        tight, opened, process = (ratios[place] for place in reversed(PLACES))
        print(f"  {name}: {shown}  tight/process {tight / process:.2f}  tight/open {tight / opened:.2f}")  # noqa: T201
    for place, things in costs.items():
        cpu = ", ".join(f"{thing} {1000 * statistics.median(of.cpu_s):.0f}" for thing, of in things.items())
        least = ", ".join(f"{thing} {1000 * min(of.wall_s):.0f}" for thing, of in things.items())
        print(f"  {place}: CPU ms {cpu}; least wall ms {least}")  # noqa: T201


def _prepare_bare() -> None:
    """NumPy and ONNX Runtime's binding for the container's Python, with bytecode as an installation has."""
    if _BARE.exists():
        return
    platform = [f"--platform={tag}" for tag in Architecture.X86_64.wheel_platforms]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:"]
    packages = [f"--python-version={PYTHON_VERSION}", f"--target={_BARE}", "onnxruntime==1.31.1", "numpy"]
    subprocess.run([*pip, *platform, *packages], check=True)


def _write_inputs(subject: Subject, folder: Path) -> None:
    arrays: dict[str, Any] = {tensor.name: to_array(tensor) for tensor in subject.inputs}
    np.savez(folder / "feed.npz", **arrays)
    (folder / "event.json").write_text(json.dumps(subject.json_event()))
    (folder / "environment.json").write_text(json.dumps(subject.environment()))
    shutil.copyfile(subject.folder / "model.onnx", folder / "model.onnx")


def _build(store: Store, version: Version) -> None:
    staged = context.stage(Workshop(paths.root(), CACHE / "build"), version)
    podman = shutil.which("podman")
    assert podman
    subprocess.run(
        builder.command(staged, _IMAGE, podman, BASE_IMAGE),
        env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", **store.environment},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    compiling = confined("--user=0", f"--volume={_BARE}:/bare", "--entrypoint=python3")
    store.run(*compiling, _IMAGE, "-m", "compileall", "-q", "/bare")


if __name__ == "__main__":
    main(*sys.argv[1:])
