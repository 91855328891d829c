"""What a version serves, beside the same model as it was converted: time, bytes and accuracy, all live.

Nothing is read from the passport but the bound: the model is converted again, and both answer here.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Literal

from modelet import paths
from modelet.bench.emulator import Emulator, emulate
from modelet.bench.requests import Subject
from modelet.bench.sampling import Ratio, alternate, ratio
from modelet.build import cases, contents, origin
from modelet.build.contest.judges import Judges, named
from modelet.build.contest.settings import Settings
from modelet.build.conversion import convert
from modelet.build.machine import Machine
from modelet.build.optimise import Artifact, Candidate, optimise
from modelet.build.quantise.accuracy import Bound, compare
from modelet.recipe import Recipe
from modelet.repository import PASSPORT_FILE, ModelFolder, Version
from modelet_runtime.manifest import FILE_NAME
from modelet_runtime.ort import OrtSession

SERVED, MAPPED, LAID_OUT = "served ms", "fp32 mapped ms", "fp32 laid out ms"
_SLOWEST = 1.03
# What int8 has to bring where it is the point of an example, on a machine that multiplies it directly.
_AIMS: Mapping[str, tuple[float, float]] = {"image_label": (0.30, 0.60), "sentence_embedding": (0.30, 0.60)}
_LEAST_MS = 20.0
_MIB = 2**20
_PLAIN = "fp32 ms"
_INVOCATIONS = 10
_HANDLER = "handler.handler"


def measure(model: ModelFolder, version: Version, rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare a version with its own fp32.

    Args:
        model: The model, whose source is converted again.
        version: What is served.
        rounds: Counted rounds.
        scratch: An empty folder.

    Raises:
        Refused: The source cannot be converted here.
    """
    recipe = Recipe.load(model.path)
    target: Literal["cpu", "gpu"] = "gpu" if version.manifest.target == "gpu" else "cpu"
    parts = contents.read(recipe, model.path)
    with origin.opened(recipe, model.path) as opened:
        graph, source = convert(recipe, parts, opened)
        plain = optimise(Candidate("fp32", graph), target, scratch / "fp32")
        runs = cases.collect(recipe.golden, source, version.manifest, version.folder)
    judges = Judges.of(runs, Settings.of(recipe, parts.labels, runs.is_real, target))
    yield _sizes(version, plain.ort)
    times = _times(version, plain, judges, rounds)
    yield times
    if version.manifest.target == "cpu":
        quicker = plain.ort if times.medians[MAPPED] <= times.medians[LAID_OUT] else plain.onnx
        yield _requests(version, quicker, rounds, scratch)
    if runs.is_real:
        yield _accuracy(version, judges)


def _sizes(version: Version, plain: Path) -> Ratio:
    aim, _ = _AIMS.get(version.manifest.name, (None, None))
    bytes_of = {
        "served MiB": [version.graph_file.stat().st_size / _MIB],
        "fp32 MiB": [plain.stat().st_size / _MIB],
    }
    title = f"{version.manifest.name}: bytes of the served graph ({version.manifest.graph.precision}) / fp32"
    return ratio(title, bytes_of, lambda m: m["served MiB"] / m["fp32 MiB"], aim)


def _times(version: Version, plain: Artifact, judges: Judges, rounds: int) -> Ratio:
    """A run of the served graph beside fp32's, in whichever of its forms is the faster here."""
    name = version.manifest.name
    _, aim = _AIMS.get(name, (None, None))
    files = {SERVED: version.graph_file, MAPPED: plain.ort, LAID_OUT: plain.onnx}
    inputs = judges.inputs[-1]
    with ExitStack() as opened:
        sessions = {key: opened.enter_context(OrtSession(file)) for key, file in files.items()}
        calls = {key: partial(session.run, inputs) for key, session in sessions.items()}
        samples = alternate({key: _timed(call) for key, call in calls.items()}, rounds)
    return ratio(
        f"{name}: a run of the served graph / fp32",
        samples,
        lambda m: m[SERVED] / min(m[MAPPED], m[LAID_OUT]),
        aim if Machine.here().vnni else None,
    )


def _requests(version: Version, plain: Path, rounds: int, scratch: Path) -> Ratio:
    """A request under AWS's emulator to what is served, and to the same version with fp32 there."""
    folder = scratch / "version"
    shutil.copytree(version.folder, folder)
    shutil.copyfile(plain, folder / plain.name)
    manifest = version.manifest
    document = replace(manifest, graph=replace(manifest.graph, file=plain.name)).to_dict()
    (folder / FILE_NAME).write_text(json.dumps(document))
    subject = Subject.of(version)
    event = json.dumps(subject.binary_event()).encode()
    environments = {
        SERVED: subject.environment(),
        _PLAIN: {
            **subject.environment(),
            "MODELET_MODEL_DIR": str(folder.resolve()),
            "MODELET_VERIFY_DIGESTS": "0",
        },
    }
    with ExitStack() as running:
        calls = {
            key: _invocations(
                running.enter_context(emulate(_HANDLER, paths.functions() / "predict", found)), event
            )
            for key, found in environments.items()
        }
        samples = alternate(calls, 2 * rounds)
    return ratio(
        f"{manifest.name}: a request to the served version / to fp32",
        samples,
        lambda m: m[SERVED] / m[_PLAIN],
        _SLOWEST,
    )


def _invocations(emulator: Emulator, event: bytes) -> Callable[[], float]:
    """Milliseconds of an invocation: the median of several, since this machine has other work."""

    def once() -> float:
        started_s = perf_counter()
        emulator.invoke(event)
        return (perf_counter() - started_s) * 1000

    def measure_once() -> float:
        return median(once() for _ in range(_INVOCATIONS))

    return measure_once


def _accuracy(version: Version, judges: Judges) -> Ratio:
    """What the served graph loses, as a share of what its passport allows it."""
    bound = Bound(**json.loads((version.folder / PASSPORT_FILE).read_bytes())["bound"])
    with OrtSession(version.graph_file) as session:
        answers = [named(session.run(inputs)) for inputs in judges.inputs]
    loss, allowed = bound.loss(compare(judges.expected, answers, judges.targets))
    samples = {"loss": [loss], "allowed": [allowed]}
    title = f"{version.manifest.name}: loss by {bound.metric.replace('_', ' ')} / what is allowed"
    return ratio(title, samples, lambda m: m["loss"] / max(m["allowed"], 1e-9), 1.0)


def _timed(call: Callable[[], object]) -> Callable[[], float]:
    """Milliseconds of the processor per call, over as many as take a while: this machine has other work."""
    call()
    started_s = perf_counter()
    call()
    calls = max(1, round(_LEAST_MS / 1000 / max(perf_counter() - started_s, 1e-6)))

    def measure_once() -> float:
        started_s = process_time()
        for _ in range(calls):
            call()
        return (process_time() - started_s) * 1000 / calls

    return measure_once
