"""Cold start of an image under AWS's emulator, in a container as tight as a function, beside the process.

Run `python tests/container/cold_start.py [MODEL]` as root after tests/container/setup.sh. The same
measurement (`modelet.bench.cold`) runs as processes of this machine and inside the container, in turn;
each ratio is against bare ONNX Runtime on the same Python and the same CPUs: first all there are, then
one. It is no test, as it asserts no time.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.containers import BASE_IMAGE, CACHE, Store, confined, open_store

from modelet import paths
from modelet.bench import cold
from modelet.bench.requests import Subject
from modelet.build.arrays import to_array
from modelet.packaging import builder, context
from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import PYTHON_VERSION, Architecture
from modelet.repository import Repository, Version

ROUNDS = 11
REPETITIONS = 3
_BARE = CACHE / "bare"
# Inside the container: /bench is this project, /bare what the bare script imports, /work the inputs.
_INSIDE = """
import json, os, sys
from dataclasses import asdict
from pathlib import Path
sys.path.insert(0, "/bench")
from modelet.bench import cold
os.environ["PYTHONPATH"] = "/bare"
environment = json.loads(Path("/work/environment.json").read_text())
event = Path("/work/event.json").read_bytes()
scratch = Path("/tmp")
model, rounds = sys.argv[1], int(sys.argv[2])
graph, feed = Path("/work/model.onnx"), Path("/work/feed.npz")
found = cold.measure(model, Path("/var/task/predict"), environment, event, graph, feed, scratch, rounds)
print(json.dumps([asdict(ratio) for ratio in found]))
"""


def main() -> None:
    """Measure and print."""
    repository = Repository(paths.root() / paths.MODELS)
    version = repository.version(sys.argv[1] if len(sys.argv) > 1 else "file_type")
    subject = Subject.of(version)
    _prepare_bare()
    with open_store() as store, tempfile.TemporaryDirectory() as name:
        inputs = Path(name)
        inputs.chmod(0o755)
        _write_inputs(subject, inputs)
        image = _build(store, version)
        for title, cpus in (("all CPUs", os.sched_getaffinity(0)), ("one CPU", {0})):
            os.sched_setaffinity(0, cpus)
            pairs = [
                (_outside(subject, inputs), _inside(store, image, subject, inputs, cpus))
                for _ in range(REPETITIONS)
            ]
            process, container = (statistics.median(values) for values in zip(*pairs, strict=True))
            print(  # noqa: T201
                f"{title}: process {process:.2f}, container {container:.2f}, their ratio"
                f" {container / process:.2f}; all {[tuple(round(v, 3) for v in pair) for pair in pairs]}"
            )


def _prepare_bare() -> None:
    """NumPy and ONNX Runtime's binding for the container's Python, with bytecode as an installation has."""
    if _BARE.exists():
        return
    platform = [f"--platform={tag}" for tag in Architecture.X86_64.wheel_platforms]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--only-binary=:all:",
        *platform,
    ]
    subprocess.run(
        [*pip, f"--python-version={PYTHON_VERSION}", f"--target={_BARE}", "onnxruntime==1.31.1", "numpy"],
        check=True,
    )


def _write_inputs(subject: Subject, folder: Path) -> None:
    arrays: dict[str, Any] = {tensor.name: to_array(tensor) for tensor in subject.inputs}
    np.savez(folder / "feed.npz", **arrays)
    (folder / "event.json").write_text(json.dumps(subject.json_event()))
    environment = {**subject.environment(), "PYTHONPATH": "/opt/python", "MODELET_MODEL_DIR": "/opt/model"}
    (folder / "environment.json").write_text(json.dumps(environment))
    shutil.copyfile(subject.folder / "model.onnx", folder / "model.onnx")


def _build(store: Store, version: Version) -> str:
    staged = context.stage(Workshop(paths.root(), CACHE / "build"), version)
    podman = shutil.which("podman")
    assert podman
    subprocess.run(
        builder.command(staged, "localhost/cold:1", podman, BASE_IMAGE),
        env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", **store.environment},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    compiling = confined("--user=0", f"--volume={_BARE}:/bare", "--entrypoint=python3")
    store.run(*compiling, "localhost/cold:1", "-m", "compileall", "-q", "/bare")
    return "localhost/cold:1"


def _outside(subject: Subject, inputs: Path) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        function = paths.functions() / "predict"
        event = (inputs / "event.json").read_bytes()
        graph, feed = inputs / "model.onnx", inputs / "feed.npz"
        start, _ = cold.measure(
            subject.name, function, subject.environment(), event, graph, feed, Path(scratch), ROUNDS
        )
        return start.value


def _inside(store: Store, image: str, subject: Subject, inputs: Path, cpus: set[int]) -> float:
    volumes = [f"{paths.root()}:/bench:ro", f"{_BARE}:/bare:ro", f"{inputs}:/work:ro"]
    cpuset = ",".join(map(str, sorted(cpus)))
    options = [
        *(f"--volume={volume}" for volume in volumes),
        f"--cpuset-cpus={cpuset}",
        f"--cpus={len(cpus)}",
    ]
    command = [*confined(*options, "--entrypoint=python3"), image, "-c", _INSIDE, subject.name, str(ROUNDS)]
    start, _ = json.loads(store.run(*command))
    return float(start["value"])


if __name__ == "__main__":
    main()
