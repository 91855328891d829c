"""Rows for the proof, and the runs that are made of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from modelet.build.owner import Row as OwnerRow
from modelet.errors import SourceRefused
from modelet_runtime.errors import ClientError
from modelet_runtime.manifest import Manifest
from modelet_runtime.stacking import stack
from modelet_runtime.steps.base import Encoded, Model, Pipeline, Value
from modelet_runtime.steps.record import to_inputs
from modelet_runtime.tensor import Tensor

# More rows make a proof no better, only longer.
MAX_ROWS = 512
_BATCH = 4

_T = TypeVar("_T")
Row = Mapping[str, Tensor]
Inputs = tuple[Tensor, ...]


def from_owner(given: Sequence[OwnerRow], model: Model, origin: str) -> list[Row]:
    """Rows as the owner's function gave them: an array, a value, or one of these per input.

    Raises:
        SourceRefused: A row does not fit the graph's inputs.
    """
    rows: list[Row] = []
    for number, row in enumerate(spread(given)):
        try:
            rows.append(to_inputs(model.inputs, _without_batch(row, model)))
        except ClientError as error:
            raise SourceRefused(
                f"golden.samples: row {number} of {origin}: {error}",
                "return one value per row, without the batch axis",
            ) from error
    return rows


def from_files(paths: Sequence[Path], pipeline: Pipeline) -> dict[Path, Row]:
    """Rows by file, each through the model's input steps; those answered without the graph are left out.

    Raises:
        SourceRefused: The steps do not take a file, or none of them reaches the graph.
    """
    rows: dict[Path, Row] = {}
    for path in spread(paths):
        try:
            encoded = pipeline.encode(_value(path, pipeline.media_types))
        except ClientError as error:
            raise SourceRefused(
                f"golden.samples: {path.name}: {error}", "correct or remove the file"
            ) from error
        if isinstance(encoded, Encoded):
            rows[path] = encoded.tensors
    if not rows:
        raise SourceRefused(
            "golden.samples: the steps answer every file without the graph", "add other files"
        )
    return rows


def runs(rows: Sequence[Row], manifest: Manifest) -> list[Inputs]:
    """A run per row and, where the graph has a batch axis, one of several rows at once, which comes first."""
    if not manifest.signature.has_batch_axis:
        return [tuple(row.values()) for row in rows]
    alike = [row for row in rows if _shapes(row) == _shapes(rows[0])]
    batch = [tuple(stack(alike[:_BATCH]))] if len(alike) > 1 else []
    return batch + [tuple(stack([row])) for row in rows]


def spread(items: Sequence[_T]) -> Sequence[_T]:
    """At most `MAX_ROWS` items, evenly over all of them: data often comes sorted."""
    return items[:: -(-len(items) // MAX_ROWS)] if items else items


def _value(path: Path, media_types: Sequence[str]) -> Value:
    """A file as its body would be parsed."""
    data = path.read_bytes()
    if path.suffix == ".txt" and "text/plain" in media_types:
        return data.decode()
    if path.suffix == ".json" and "application/json" in media_types:
        return json.loads(data)
    return data


def _without_batch(row: OwnerRow, model: Model) -> Value:
    """Drop a batch axis of one row, which people leave on when they slice `x[:1]`."""
    if isinstance(row, dict) or len(model.inputs) != 1:
        return row
    [spec] = model.inputs.values()
    has_axis = len(row.shape) == len(spec.shape) + 1 and row.shape[0] == 1
    return Tensor(row.name, row.datatype, row.shape[1:], row.data) if has_axis else row


def _shapes(row: Row) -> list[tuple[int, ...]]:
    return [tensor.shape for tensor in row.values()]
