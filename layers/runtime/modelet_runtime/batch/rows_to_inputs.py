"""Whole chunks to the graph's inputs, with the rules of `steps.record` for every row but none of its loops.

What these shortcuts cannot show to be the same goes row by row, so a shortcut never changes an answer.
"""

import struct
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from math import prod
from typing import Any

import orjson

from modelet_runtime.batch.forms.base import Chunk
from modelet_runtime.batch.forms.csv_table import CellRows
from modelet_runtime.batch.forms.jsonl import LineRows
from modelet_runtime.errors import ClientError, DatatypeMismatch, ModeletError
from modelet_runtime.manifest import Signature, TensorSpec
from modelet_runtime.steps.b64 import is_b64
from modelet_runtime.steps.base import Value
from modelet_runtime.steps.record import to_tensor
from modelet_runtime.tensor import DATATYPES, Tensor


class InputShapes:
    """The inputs of a graph without input steps."""

    def __init__(self, signature: Signature) -> None:
        start = 1 if signature.has_batch_axis else 0
        self._specs = {
            spec.name: TensorSpec(spec.name, spec.datatype, spec.shape[start:]) for spec in signature.inputs
        }
        self._only = next(iter(self._specs)) if len(self._specs) == 1 else None
        self._packers = _packers(self._specs.values())

    def adapt(self, value: Value) -> Value:
        """A record without what the graph does not take: tables have further columns, such as ids.

        A record without a column of the only input's name is its elements, in order.
        """
        if not isinstance(value, Mapping) or is_b64(value):
            return value
        if set(self._specs) <= set(value):
            return {name: value[name] for name in self._specs}
        if self._only is not None and value and prod(self._specs[self._only].shape) == len(value):
            cells = [cell.values()[0] if isinstance(cell, Tensor) else cell for cell in value.values()]
            return cells if self._specs[self._only].shape else cells[0]
        return value

    def all_rows(self, chunk: Chunk) -> list[Tensor] | None:
        """All rows at once; None where that could differ from each alone."""
        try:
            if chunk.columns is not None:
                return self._of_columns(chunk.columns, chunk.rows)
            if isinstance(chunk.values, CellRows):
                return self._of_cells(chunk.values)
            if isinstance(chunk.values, LineRows) and self._packers:
                return self._of_lines(chunk.values)
            assert chunk.values is not None
            return self._of_values(chunk.values)
        except ClientError:
            return None

    def _of_columns(self, columns: Mapping[str, Tensor], rows: int) -> list[Tensor] | None:
        if self._only is not None and list(columns) == ["array"]:
            return [self._converted(self._specs[self._only], columns["array"], rows)]
        if set(self._specs) <= set(columns):
            return [self._converted(spec, columns[name], rows) for name, spec in self._specs.items()]
        if self._only is None or prod(self._specs[self._only].shape) != len(columns):
            return None
        side_by_side = _interleaved(list(columns.values()))
        spec = self._specs[self._only]
        return None if side_by_side is None else [self._converted(spec, side_by_side, rows)]

    def _converted(self, spec: TensorSpec, tensor: Tensor, rows: int) -> Tensor:
        """A column as an input; another datatype passes through the same checks as a row's."""
        shape = (rows, *_row_shape(spec, tensor.shape[1:]))
        if tensor.datatype.name == spec.datatype:
            return Tensor(spec.name, tensor.datatype, shape, tensor.data)
        flat = Tensor(spec.name, tensor.datatype, (tensor.element_count,), tensor.data)
        converted = to_tensor(TensorSpec(spec.name, spec.datatype, (tensor.element_count,)), flat)
        return Tensor(spec.name, converted.datatype, shape, converted.data)

    def _of_cells(self, rows: CellRows) -> list[Tensor] | None:
        """Cells that are all numbers, for inputs of one number per column or of the whole row."""
        if any(len(line) != rows.width for line in rows.lines):
            return None
        names = rows.names or ()
        if set(self._specs) <= set(names):
            places = [names.index(name) for name in self._specs]
            specs = list(self._specs.values())
        elif self._only is not None and prod(self._specs[self._only].shape) == rows.width:
            return [_read(self._specs[self._only], list(chain.from_iterable(rows.lines)), len(rows))]
        else:
            return None
        columns = list(zip(*rows.lines, strict=True))
        return [_read(spec, columns[at], len(rows)) for spec, at in zip(specs, places, strict=True)]

    def _of_lines(self, rows: LineRows) -> list[Tensor] | None:
        """Lines of numbers, each parsed and packed before the next: what they take lies in the CPU's cache.

        Other threads get Python's lock between two lines.
        """
        buffers = [bytearray(len(rows) * packer.size) for packer in self._packers]
        try:
            if rows.lines[0].lstrip().startswith(b"["):
                if self._only is None:
                    return None
                _pack_lists(rows.lines, self._packers[0], buffers[0])
            else:
                _pack_records(rows.lines, [*self._specs], self._packers, buffers)
        except (struct.error, TypeError, ValueError, OverflowError, LookupError):
            return self._of_values(list(rows))
        named = zip(self._specs.values(), buffers, strict=True)
        return [
            Tensor.from_buffer(spec.name, DATATYPES[spec.datatype], (len(rows), *spec.shape), buffer)
            for spec, buffer in named
        ]

    def _of_values(self, values: Sequence[Any]) -> list[Tensor] | None:
        kinds = set(map(type, values))
        if any(issubclass(kind, ModeletError) for kind in kinds):
            return None
        if kinds == {dict} and not (self._only and is_b64(values[0])):
            names = set(self._specs)
            if not all(names <= value.keys() for value in values):
                return None
            return [_stacked(spec, [value[name] for value in values]) for name, spec in self._specs.items()]
        if self._only is None or dict in kinds:
            return None
        return [_stacked(self._specs[self._only], values)]


def _read(spec: TensorSpec, cells: Sequence[str], rows: int) -> Tensor:
    """Cells as an input. What these readers do not take (empty cells, 3.0 for 3), one row after another may.

    Raises:
        ClientError: (400) A cell is no number, or does not fit.
    """
    datatype = DATATYPES[spec.datatype]
    if datatype.name in ("BYTES", "BOOL"):
        raise DatatypeMismatch(spec.name, spec.datatype, "a cell")
    try:
        values: list[Any] = list(map(float if datatype.is_float else int, cells))
    except ValueError as error:
        raise DatatypeMismatch(spec.name, spec.datatype, "a cell") from error
    return Tensor.from_values(spec.name, datatype, (rows, *spec.shape), values)


def _is_plain(spec: TensorSpec) -> bool:
    """Whether a row of this input is a list of known length whose numbers Python packs."""
    return bool(spec.shape) and -1 not in spec.shape and spec.datatype not in ("BYTES", "BOOL", "BF16")


def _packers(specs: Collection[TensorSpec]) -> list[struct.Struct]:
    """What packs a row of each input; nothing where a row of one cannot be packed as it comes."""
    if not all(map(_is_plain, specs)):
        return []
    return [struct.Struct(f"<{prod(spec.shape)}{DATATYPES[spec.datatype].format}") for spec in specs]


def _pack_lists(lines: Sequence[bytes], packer: struct.Struct, buffer: bytearray) -> None:
    pack_into, size_bytes, parse, at = packer.pack_into, packer.size, orjson.loads, 0
    for line in lines:
        pack_into(buffer, at, *parse(line))
        at += size_bytes


def _pack_records(
    lines: Sequence[bytes],
    names: Sequence[str],
    packers: Sequence[struct.Struct],
    buffers: Sequence[bytearray],
) -> None:
    for row, line in enumerate(lines):
        record = orjson.loads(line)
        for name, packer, buffer in zip(names, packers, buffers, strict=True):
            packer.pack_into(buffer, row * packer.size, *record[name])


def _stacked(spec: TensorSpec, values: Sequence[Any]) -> Tensor:
    """Rows as one tensor. Packing refuses what a row's own checks would, so they are not made twice."""
    rows, datatype = len(values), DATATYPES[spec.datatype]
    size = prod(spec.shape)
    if _is_plain(spec) and set(map(type, values)) == {list} and set(map(len, values)) == {size}:
        # Each row is flat, as its shape is or as rows may come.
        flat = list(chain.from_iterable(values))
        return Tensor.from_values(spec.name, datatype, (rows, *spec.shape), flat)
    return to_tensor(TensorSpec(spec.name, spec.datatype, (rows, *spec.shape)), values)


def _row_shape(spec: TensorSpec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that rows of a shape take as an input, by the rules of one row."""
    zeros = Tensor(spec.name, DATATYPES["UINT8"], shape, memoryview(bytes(prod(shape))))
    probe = TensorSpec(spec.name, "UINT8", spec.shape)
    return to_tensor(probe, zeros).shape


def _interleaved(columns: Sequence[Tensor]) -> Tensor | None:
    """Columns of one number per row, side by side: strided copies, no loop over rows."""
    first = columns[0]
    rows = first.shape[0]
    if any(tensor.shape != (rows,) or tensor.datatype is not first.datatype for tensor in columns):
        return None
    if not first.datatype.size:
        return None
    words = {1: "B", 2: "H", 4: "I", 8: "Q"}[first.datatype.size]
    out = bytearray(rows * len(columns) * first.datatype.size)
    target = memoryview(out).cast(words)  # type: ignore[call-overload]
    for number, tensor in enumerate(columns):
        target[number :: len(columns)] = tensor.buffer.cast(words)  # type: ignore[call-overload]
    return Tensor(first.name, first.datatype, (rows, len(columns)), memoryview(out))
