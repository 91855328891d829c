"""A chunk of rows through the model: the same steps and the same graph as online, many rows per run.

Three threads share the work, and the graph's runs hold no lock of Python's: one prepares inputs, one runs
the graph, one turns outputs into answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from time import perf_counter
from typing import Any

from modelet_runtime.batch.forms.arrays import rows_of
from modelet_runtime.batch.forms.base import Chunk, Results, Row
from modelet_runtime.batch.rows_to_inputs import InputShapes
from modelet_runtime.batch.sizing import BatchSize
from modelet_runtime.batching import CPU_ELEMENTS, plan
from modelet_runtime.errors import InferenceFailed, InferenceRejected, ModeletError
from modelet_runtime.manifest import Signature
from modelet_runtime.predictor import Predictor
from modelet_runtime.stacking import split, stack
from modelet_runtime.steps.base import Answer, Answered, Encoded, Value
from modelet_runtime.tensor import DATATYPES, Datatype, Tensor


@dataclass(slots=True)
class Group:
    """Rows that run together.

    Attributes:
        rows: Their indexes in the chunk.
        inputs: The graph's inputs with these rows on the first axis.
        contexts: What the decoding steps need of each; empty if no step does.
        outputs: The graph's outputs, in pieces, with the indexes each piece holds.
    """

    rows: Sequence[int]
    inputs: list[Tensor]
    contexts: Sequence[Any] = ()
    outputs: list[tuple[Sequence[int], list[Tensor]]] = field(default_factory=list)


@dataclass(slots=True)
class Work:
    """A chunk on its way."""

    chunk: Chunk
    groups: list[Group]
    answers: dict[int, Answer]
    failures: dict[int, ModeletError]


class Engine:
    """Runs chunks with one model.

    Args:
        predictor: The model.
        size: Decides how many rows run together.
    """

    def __init__(self, predictor: Predictor, size: BatchSize) -> None:
        manifest = predictor.manifest
        self._predictor = predictor
        self._size = size
        self._has_batch_axis = manifest.signature.has_batch_axis
        self._is_bare = not manifest.input_steps
        self._shapes = InputShapes(manifest.signature)
        self._has_decoders = bool(manifest.output_steps)
        self._blank = _blank_row(manifest.signature) if self._has_batch_axis else None
        self.infer_s = 0.0

    def prepare(self, chunk: Chunk) -> Work:
        """Make the graph's inputs; a row that cannot be one is a failure."""
        work = Work(chunk, [], {}, {})
        if self._is_bare and self._has_batch_axis and chunk.rows:
            inputs = self._shapes.all_rows(chunk)
            if inputs is not None:
                work.groups.append(Group(range(chunk.rows), inputs))
                return work
        self._prepare_rows(work)
        return work

    def _prepare_rows(self, work: Work) -> None:
        encodings: list[tuple[int, Encoded]] = []
        for row, value in enumerate(_values(work.chunk)):
            try:
                encoded = self._encode(value)
            except ModeletError as error:
                work.failures[row] = error
                continue
            if isinstance(encoded, Answered):
                work.answers[row] = encoded.answer
            else:
                encodings.append((row, encoded))
        for batch in self._batches(encodings):
            rows = [encoded.tensors for _, encoded in batch]
            inputs = list(rows[0].values())
            if self._has_batch_axis:
                inputs = stack(rows, batch[0][1].padding)
            contexts = [encoded.context for _, encoded in batch]
            work.groups.append(Group([row for row, _ in batch], inputs, contexts))

    def _batches(self, encodings: Sequence[tuple[int, Encoded]]) -> Iterator[list[tuple[int, Encoded]]]:
        """Rows that can be one tensor; those of unequal length are padded as they are online."""
        if not self._has_batch_axis:
            yield from ([item] for item in encodings)
            return
        alike: dict[object, list[tuple[int, Encoded]]] = {}
        padded: list[tuple[int, Encoded]] = []
        for item in encodings:
            if item[1].padding:
                padded.append(item)
            else:
                shapes = tuple((name, tensor.shape) for name, tensor in item[1].tensors.items())
                alike.setdefault(shapes, []).append(item)
        yield from alike.values()
        for run in plan([encoded for _, encoded in padded], CPU_ELEMENTS):
            yield [padded[index] for index in run]

    def _encode(self, value: Row) -> Encoded | Answered:
        if isinstance(value, ModeletError):
            raise value
        try:
            adapted: Value = self._shapes.adapt(value) if self._is_bare else value
            return self._predictor.pipeline.encode(adapted)
        except ModeletError:
            raise
        except Exception as error:  # the owner's hooks may raise anything; the text may quote the row
            raise InferenceFailed(f"an input step failed: {type(error).__name__}") from error

    def infer(self, work: Work) -> None:
        """Run the graph over all groups."""
        for group in work.groups:
            if not self._has_batch_axis:
                self._run(work, group, group.rows, group.inputs)
                continue
            start = 0
            while start < len(group.rows):
                count = min(self._size.rows(group.inputs), len(group.rows) - start)
                inputs = [rows_between(tensor, start, start + count) for tensor in group.inputs]
                self._run(work, group, group.rows[start : start + count], inputs)
                start += count

    def _run(self, work: Work, group: Group, rows: Sequence[int], inputs: list[Tensor]) -> None:
        started_s = perf_counter()
        try:
            outputs = self._predictor.infer(inputs)
        except (InferenceRejected, InferenceFailed) as error:
            if len(rows) == 1:
                work.failures[rows[0]] = error
                return
            # Of several rows at least one was refused; alone, the others may pass.
            for at, row in enumerate(rows):
                self._run(work, group, [row], [rows_between(tensor, at, at + 1) for tensor in inputs])
            return
        except ModeletError as error:
            work.failures.update(dict.fromkeys(rows, error))
            return
        elapsed_s = perf_counter() - started_s
        self.infer_s += elapsed_s
        self._size.ran(len(rows), elapsed_s)
        group.outputs.append((rows, outputs))

    def finish(self, work: Work) -> Results:
        """Decode; without output steps the graph's outputs stay as they are where they can."""
        chunk = work.chunk
        outputs = None if self._has_decoders or work.answers else self._joined(work)
        answers = None
        if outputs is None:
            self._decode(work)
            answers = [work.answers.get(row) for row in range(chunk.rows)]
        return Results(
            first=chunk.first,
            rows=chunk.rows,
            answers=answers,
            outputs=outputs,
            failures=work.failures,
            refer=chunk.refer,
            kept=chunk.kept,
            numbers=chunk.numbers,
            position=chunk.position,
            bytes_done=chunk.bytes_done,
        )

    def _joined(self, work: Work) -> list[Tensor] | None:
        """All rows' outputs as one tensor each; None where they differ in shape or none is there."""
        pieces = [piece for group in work.groups for piece in group.outputs]
        if not self._has_batch_axis:
            return None
        if not pieces:
            blank = self._blank if work.chunk.rows else None
            return None if blank is None else stack([blank] * work.chunk.rows)
        if len(work.groups) == 1 and not work.failures:
            return _concatenated([outputs for _, outputs in pieces])
        rows: dict[int, dict[str, Tensor]] = {}
        for indexes, outputs in pieces:
            rows.update(zip(indexes, split(outputs, len(indexes)), strict=True))
        first = next(iter(rows.values()))
        if any(row[name].shape != tensor.shape for row in rows.values() for name, tensor in first.items()):
            return None
        self._blank = {
            name: _zeros(tensor.datatype, tensor.name, tensor.shape) for name, tensor in first.items()
        }
        return stack([rows.get(row, self._blank) for row in range(work.chunk.rows)])

    def _decode(self, work: Work) -> None:
        decode = self._predictor.pipeline.decode
        for group in work.groups:
            contexts = dict(zip(group.rows, group.contexts, strict=False))
            for indexes, outputs in group.outputs:
                for row, of_row in zip(indexes, self._rows(outputs, len(indexes)), strict=True):
                    try:
                        work.answers[row] = decode(of_row, contexts.get(row))
                    except ModeletError as error:
                        work.failures[row] = error
                    except Exception as error:  # as above
                        failure = InferenceFailed(f"an output step failed: {type(error).__name__}")
                        failure.__cause__ = error
                        work.failures[row] = failure

    def _rows(self, outputs: list[Tensor], count: int) -> list[dict[str, Tensor]]:
        if self._has_batch_axis:
            return split(outputs, count)
        return [{tensor.name: tensor for tensor in outputs}]


def _values(chunk: Chunk) -> Iterator[Row]:
    if chunk.values is not None:
        yield from chunk.values
        return
    assert chunk.columns is not None
    for row in range(chunk.rows):
        yield _value(rows_of(chunk.columns, row))


def _value(columns: Mapping[str, Tensor]) -> Value:
    """A row of a lone array is its value, as on the online route."""
    return columns["array"] if list(columns) == ["array"] else columns


def rows_between(tensor: Tensor, start: int, end: int) -> Tensor:
    """Some rows of a tensor, without a copy."""
    rows = tensor.shape[0]
    if start == 0 and end == rows:
        return tensor
    width = len(tensor.data) // rows
    shape = (end - start, *tensor.shape[1:])
    return Tensor(tensor.name, tensor.datatype, shape, tensor.data[start * width : end * width])


def _concatenated(pieces: Sequence[list[Tensor]]) -> list[Tensor] | None:
    if len(pieces) == 1:
        return pieces[0]
    joined = []
    for column in zip(*pieces, strict=True):
        first = column[0]
        if any(tensor.shape[1:] != first.shape[1:] for tensor in column):
            return None
        shape = (sum(tensor.shape[0] for tensor in column), *first.shape[1:])
        if isinstance(first.data, tuple):
            elements = tuple(element for tensor in column for element in tensor.elements)
            joined.append(Tensor(first.name, first.datatype, shape, elements))
        else:
            data = memoryview(b"".join([tensor.buffer for tensor in column]))
            joined.append(Tensor(first.name, first.datatype, shape, data))
    return joined


def _zeros(datatype: Datatype, name: str, shape: tuple[int, ...]) -> Tensor:
    count = prod(shape)
    if not datatype.size:
        return Tensor(name, datatype, shape, (b"",) * count)
    return Tensor(name, datatype, shape, memoryview(bytes(count * datatype.size)))


def _blank_row(signature: Signature) -> dict[str, Tensor] | None:
    """A row of the graph's outputs that stands for one that failed; None if their shapes vary."""
    if any(-1 in spec.shape[1:] for spec in signature.outputs):
        return None
    return {
        spec.name: _zeros(DATATYPES[spec.datatype], spec.name, spec.shape[1:]) for spec in signature.outputs
    }
