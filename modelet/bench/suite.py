"""All measurements of `modelet bench`, one after the other."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from modelet import paths
from modelet.bench import batch, batching, codec, cold, peers, quantised, warm
from modelet.bench.requests import Subject
from modelet.bench.sampling import Ratio
from modelet.build.arrays import Array, to_array
from modelet.errors import Refused
from modelet.local.endpoint.installation import Installation
from modelet.repository import ModelFolder, Repository, Version, served_version
from modelet_runtime.tensor import Tensor

_ROUNDS = 15
_LAUNCHES_OF_MLSERVER = 3
GRAPH_FILE = "model.onnx"


def run(
    models: Path, names: Sequence[str], progress: Callable[[str], None], failed: Callable[[str], None]
) -> Iterator[Ratio]:
    """Measure everything for the given models, or for all that are built.

    Args:
        models: The folder of model folders.
        names: Models by name; all that have a complete version if empty.
        progress: Told what is measured next.
        failed: Told what could not be measured and why; the others go on.

    Yields:
        Each ratio as soon as it is there.
    """
    for title, measure in _parts(models, names):
        progress(title)
        try:
            yield from measure()
        except (Refused, RuntimeError, OSError, ValueError, subprocess.CalledProcessError) as error:
            failed(f"{title}: {error}")


def _parts(models: Path, names: Sequence[str]) -> Iterator[tuple[str, Callable[[], Iterable[Ratio]]]]:
    """What there is to measure, each with a title."""
    yield "codec", lambda: codec.measure(_ROUNDS)
    yield "batch", _batch
    for model, version in _served(models, names):
        subject = Subject.of(version)
        yield f"{subject.name}: warm requests", partial(warm.measure, subject, _ROUNDS)
        yield f"{subject.name}: beside fp32", partial(_beside_fp32, model, version)
        yield f"{subject.name}: cold start and memory", partial(_cold, subject)
        yield f"{subject.name}: launch against MLServer", partial(_beside_mlserver, subject)
    installation = Installation.find()
    if installation is not None:
        yield "batching on Triton", lambda: [batching.measure(installation)]


def _served(models: Path, names: Sequence[str]) -> Iterator[tuple[ModelFolder, Version]]:
    repository = Repository(models)
    for model in [repository.model(name) for name in names] or repository.models():
        version = served_version(model)
        if version is not None:
            yield model, version


def _batch() -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as scratch:
        yield from batch.measure(Path(scratch), _ROUNDS)


def _beside_fp32(model: ModelFolder, version: Version) -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as scratch:
        yield from quantised.measure(model, version, _ROUNDS, Path(scratch))


def _beside_mlserver(subject: Subject) -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as scratch:
        yield peers.measure(subject, Path(scratch), _LAUNCHES_OF_MLSERVER)


def _cold(subject: Subject) -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        arrays: dict[str, Any] = {tensor.name: _plain(tensor) for tensor in subject.inputs}
        np.savez(scratch / "feed.npz", **arrays)
        yield from cold.measure(
            subject.name,
            paths.functions() / "predict",
            subject.environment(),
            json.dumps(subject.json_event()).encode(),
            subject.folder / GRAPH_FILE,
            scratch / "feed.npz",
            scratch,
            _ROUNDS,
        )


def _plain(tensor: Tensor) -> Array:
    """A tensor as an array of which a file needs no pickle: strings of one width."""
    array = to_array(tensor)
    return array.astype(str) if array.dtype.hasobject else array
