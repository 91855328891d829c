"""All measurements of `modelet bench`, one after the other."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelet import paths
from modelet.bench import batch, batching, codec, cold, peers, quantised, warm
from modelet.bench.requests import Subject
from modelet.bench.sampling import Ratio
from modelet.build.arrays import to_array
from modelet.errors import MissingExtra
from modelet.local.endpoint.installation import Installation
from modelet.repository import Repository, served_version

_ROUNDS = 15
_LAUNCHES_OF_MLSERVER = 3
GRAPH_FILE = "model.onnx"


def run(models: Path, names: Sequence[str], progress: Callable[[str], None]) -> Iterator[Ratio]:
    """Measure everything for the given models, or for all that are built.

    Args:
        models: The folder of model folders.
        names: Models by name; all that have a complete version if empty.
        progress: Told what is measured next.

    Yields:
        Each ratio as soon as it is there.
    """
    progress("codec")
    yield from codec.measure(_ROUNDS)
    with tempfile.TemporaryDirectory() as scratch:
        progress("batch")
        yield from batch.measure(Path(scratch), _ROUNDS)
    for subject in _subjects(models, names):
        progress(f"{subject.name}: warm requests")
        yield from warm.measure(subject, _ROUNDS)
        yield from _beside_fp32(models, subject.name, progress)
        with tempfile.TemporaryDirectory() as scratch:
            progress(f"{subject.name}: cold start and memory")
            yield from _cold(subject, Path(scratch))
            progress(f"{subject.name}: launch against MLServer")
            yield peers.measure(subject, Path(scratch), _LAUNCHES_OF_MLSERVER)
    installation = Installation.find()
    if installation is not None:
        progress("batching on Triton")
        yield batching.measure(installation)


def _subjects(models: Path, names: Sequence[str]) -> Iterator[Subject]:
    repository = Repository(models)
    for model in [repository.model(name) for name in names] or repository.models():
        version = served_version(model)
        if version is not None:
            yield Subject.of(version)


def _beside_fp32(models: Path, name: str, progress: Callable[[str], None]) -> Iterator[Ratio]:
    """What is served beside fp32, where the source can be converted here."""
    model = Repository(models).model(name)
    version = served_version(model)
    progress(f"{name}: beside fp32")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if version is not None:
                yield from quantised.measure(model, version, _ROUNDS, Path(scratch))
        except MissingExtra as error:
            progress(f"{name}: not beside fp32: {error.reason}")


def _cold(subject: Subject, scratch: Path) -> list[Ratio]:
    feed = scratch / "feed.npz"
    arrays: dict[str, Any] = {tensor.name: to_array(tensor) for tensor in subject.inputs}
    np.savez(feed, **arrays)
    return cold.measure(
        subject.name,
        paths.functions() / "predict",
        subject.environment(),
        json.dumps(subject.json_event()).encode(),
        subject.folder / GRAPH_FILE,
        feed,
        scratch,
        _ROUNDS,
    )
