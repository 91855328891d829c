"""The figures of two versions side by side, from their manifests and passports."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelet.aliases.breaks import shown
from modelet.repository import PASSPORT_FILE, Version
from modelet_runtime.manifest import Manifest

Value = float | str | None
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing of two versions.

    Attributes:
        group: `signature`, `size`, `speed` or `accuracy`.
        name: What it is, with its unit.
        a: Of the first version; None where it is not known.
        b: Of the second.
    """

    group: str
    name: str
    a: Value
    b: Value

    @property
    def ratio(self) -> float | None:
        """The second over the first, where both are numbers."""
        if isinstance(self.a, int | float) and isinstance(self.b, int | float) and self.a:
            return self.b / self.a
        return None


def figures(a: Version, b: Version) -> list[Figure]:
    """Every figure that one of the versions has; the signature only where it differs."""
    first, second = _of(a), _of(b)
    names = [*first, *(key for key in second if key not in first)]
    found = [Figure(*key, first.get(key), second.get(key)) for key in names]
    return [
        figure
        for figure in found
        if (figure.a, figure.b) != (None, None) and (figure.group != "signature" or figure.a != figure.b)
    ]


def _of(version: Version) -> dict[tuple[str, str], Value]:
    winner = _winner(version)
    return {
        **{("signature", name): value for name, value in _signature(version.manifest)},
        **{("size", name): value for name, value in _size(version.manifest, winner)},
        **{("speed", name): value for name, value in _speed(winner)},
        **{("accuracy", name): value for name, value in _accuracy(winner)},
    }


def _signature(manifest: Manifest) -> Iterator[tuple[str, Value]]:
    """What callers see of it, tensors first."""
    for spec in manifest.signature.inputs:
        yield f"input {spec.name}", shown(spec)
    for spec in manifest.signature.outputs:
        yield f"output {spec.name}", shown(spec)
    yield "input steps", " -> ".join(step.name for step in manifest.input_steps) or "none"
    yield "output steps", " -> ".join(step.name for step in manifest.output_steps) or "none"
    yield "labels", _labels(manifest.labels)


def _labels(labels: Sequence[str]) -> str:
    """All of them, or so much that two lists can be told apart."""
    text = ", ".join(labels)
    if len(text) <= _LONGEST:
        return text or "none"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{len(labels)}: {text[:_LONGEST]}... ({digest[:8]})"


def _size(manifest: Manifest, winner: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    graph = manifest.files.get(manifest.graph.file)
    yield "precision", manifest.graph.precision
    yield "graph, bytes", graph.bytes if graph else None
    yield "compressed, bytes", winner.get("gzip_bytes")
    yield "nodes", sum(manifest.graph.operators.values())
    yield "peak memory, MiB", winner.get("peak_mib")


def _speed(winner: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """As each was measured when it was built, perhaps on different machines."""
    yield "run, ms", _part(winner, "latency_ms", "median")
    yield "run p95, ms", _part(winner, "latency_ms", "p95")
    yield "run beside its fp32", _part(winner, "race", "ratio")
    yield "session load, ms", _part(winner, "session_load_ms", "median")


def _accuracy(winner: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for key, name in (
        ("accuracy", "against right answers"),
        ("top1_agreement", "top-1 agreement with the original"),
        ("cosine", "cosine with the original"),
        ("max_abs_diff", "largest difference from the original"),
    ):
        yield name, _part(winner, "accuracy", key)


def _part(winner: Mapping[str, Any], key: str, part: str) -> Value:
    found = winner.get(key)
    value = found.get(part) if isinstance(found, Mapping) else None
    return value if isinstance(value, int | float | str) else None


def _winner(version: Version) -> Mapping[str, Any]:
    """What the passport measured of the graph that the version has; nothing where it says nothing."""
    try:
        passport = json.loads((version.folder / PASSPORT_FILE).read_bytes())
        name = passport["winner"]["name"]
        return next(entry for entry in passport["candidates"] if entry["name"] == name)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return {}
