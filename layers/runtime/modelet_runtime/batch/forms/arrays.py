"""NPY and NPZ in: the first axis holds the rows."""

import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

from modelet_runtime.batch.errors import InputRefused, InputTooLarge
from modelet_runtime.batch.forms.base import Chunk, Limits, Source, no_reference
from modelet_runtime.batch.forms.ranged import RangedFile
from modelet_runtime.errors import ClientError
from modelet_runtime.protocols import npy
from modelet_runtime.tensor import Tensor

HEADER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class NpyReader:
    """Rows `[start, end)` of one array, as column `array`."""

    source: Source
    limits: Limits = field(default_factory=Limits)
    start: int = 0
    end: int = -1

    def chunks(self, position: Any) -> Generator[Chunk]:
        """Read rows by range; a column-major array is read whole, as far as the limit allows."""
        layout = layout_of(self.source, self.limits)
        end = layout.rows if self.end < 0 else self.end
        start = self.start if position is None else position["row"] + self.start
        if layout.is_fortran:
            yield from self._whole(layout, start, end)
            return
        # Whole rows per request, so that what arrives is what the graph reads: nothing is copied together.
        step = max(1, self.limits.chunk_bytes // max(1, layout.row_bytes))
        at_once = step * max(1, self.limits.read_bytes // (step * max(1, layout.row_bytes)))
        whole = replace(self.limits, read_bytes=at_once * max(1, layout.row_bytes))
        for piece in self.source.stream(layout.at(start), layout.at(end), whole):
            view = memoryview(piece)
            for begin in range(0, len(view), step * layout.row_bytes):
                data = view[begin : begin + step * layout.row_bytes]
                count = len(data) // layout.row_bytes
                yield self._chunk(layout, start, layout.tensor(data, count))
                start += count

    def _whole(self, layout: "Layout", start: int, end: int) -> Iterator[Chunk]:
        if layout.rows * layout.row_bytes > self.limits.group_bytes:
            raise InputTooLarge("npy: column-major and too large to turn: save numpy.ascontiguousarray(x)")
        array = _parsed(self.source.load(0, self.source.ref.size_bytes))
        width = len(array.data) // max(1, layout.rows)
        data = array.data[start * width : end * width]
        yield self._chunk(
            layout, start, Tensor(npy.NAME, array.datatype, (end - start, *array.shape[1:]), data)
        )

    def _chunk(self, layout: "Layout", start: int, tensor: Tensor) -> Chunk:
        first, done = start - self.start, start - self.start + tensor.shape[0]
        return Chunk(
            first=first,
            rows=tensor.shape[0],
            values=None,
            columns={npy.NAME: tensor},
            refer=no_reference,
            position=None if layout.is_fortran else {"row": done},
            bytes_done=done * layout.row_bytes,
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an array's rows lie.

    Attributes:
        description: Its dtype, as the header spells it.
        is_fortran: Whether it is column-major.
        shape: Its dimensions.
        row_bytes: Size of one row.
        payload: The first byte of its data.
    """

    description: str
    is_fortran: bool
    shape: tuple[int, ...]
    row_bytes: int
    payload: int

    @property
    def rows(self) -> int:
        """The first dimension; an array without dimensions is one row."""
        return self.shape[0] if self.shape else 1

    def at(self, row: int) -> int:
        """Where a row begins."""
        return self.payload + row * self.row_bytes

    def tensor(self, data: bytes | memoryview, rows: int) -> Tensor:
        """Rows as a tensor; where the bytes are not the elements' own, by way of a file of these rows."""
        shape = (rows, *self.shape[1:]) if self.shape else ()
        datatype = npy.datatype_of(self.description)
        if datatype is not None:
            return Tensor.from_buffer(npy.NAME, datatype, shape or (1,), data)
        tensor = _parsed(npy.pack_header(self.description, str(shape)) + bytes(data))
        return tensor if self.shape else Tensor(npy.NAME, tensor.datatype, (1,), tensor.data)


def layout_of(source: Source, limits: Limits) -> Layout:
    """Read an array's header.

    Raises:
        InputRefused: (400) It is none, or the object is not as long as it says.
        InputTooLarge: (413) A row is over the limit.
    """
    head = source.load(0, HEADER_BYTES)
    layout = _layout(head, limits)
    expected, actual = layout.at(layout.rows), source.ref.size_bytes
    if expected != actual:
        raise InputRefused(f"npy: expected {expected} bytes for {list(layout.shape)}, got {actual}")
    return layout


def _layout(head: bytes, limits: Limits) -> Layout:
    try:
        header = npy.header(memoryview(head))
        row_bytes = header.row_bytes
    except ClientError as error:
        raise InputRefused(str(error)) from error
    if row_bytes > limits.row_bytes:
        raise InputTooLarge(f"npy: rows of {row_bytes} bytes, expected {limits.row_bytes} at most")
    if not row_bytes and header.shape[:1] != (0,):
        raise InputRefused("npy: rows of nothing")
    return Layout(header.description, header.is_fortran, header.shape, row_bytes, header.payload)


def _parsed(data: bytes) -> Tensor:
    try:
        return npy.read(data)
    except ClientError as error:
        raise InputRefused(str(error)) from error


@dataclass(frozen=True, slots=True)
class NpzReader:
    """Arrays of equal first dimension; a row is a record of their rows. Read from front to end."""

    source: Source
    limits: Limits = field(default_factory=Limits)

    def chunks(self, position: Any) -> Generator[Chunk]:
        """Unpack the arrays side by side."""
        skip = 0 if position is None else position["row"]
        try:
            with RangedFile(self.source, self.limits) as file, zipfile.ZipFile(file) as archive:
                yield from self._rows(archive, file, skip)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise InputRefused(f"npz: {error}") from error

    def _rows(self, archive: zipfile.ZipFile, file: RangedFile, skip: int) -> Iterator[Chunk]:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if not members or len(members) > self.limits.columns:
            raise InputRefused(f"npz: {len(members)} arrays")
        arrays = {info.filename.removesuffix(".npy"): _Member(archive, info, self.limits) for info in members}
        counts = {name: member.layout.rows for name, member in arrays.items()}
        rows = next(iter(counts.values()))
        if set(counts.values()) != {rows}:
            raise InputRefused(f"npz: expected arrays of equally many rows, got {counts}")
        width = sum(member.layout.row_bytes for member in arrays.values())
        step = max(1, self.limits.chunk_bytes // max(1, width))
        for start in range(0, rows, step):
            count = min(step, rows - start)
            columns = {name: member.read(name, count) for name, member in arrays.items()}
            if start + count <= skip:
                continue
            first = max(start, skip)
            yield Chunk(
                first=first,
                rows=start + count - first,
                values=None,
                columns={name: _from(tensor, first - start) for name, tensor in columns.items()},
                refer=no_reference,
                position={"row": start + count},
                bytes_done=file.bytes_read,
            )


class _Member:
    """One array of an archive, unpacked as it is read."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits) -> None:
        self._stream = archive.open(info)
        head = _read_header(self._stream)
        self.layout = _layout(head, limits)
        if self.layout.is_fortran and self.layout.rows * self.layout.row_bytes > 0:
            raise InputRefused(f"npz: {info.filename} is column-major: save numpy.ascontiguousarray(x)")

    def read(self, name: str, rows: int) -> Tensor:
        """The next rows."""
        data = self._stream.read(rows * self.layout.row_bytes)
        if len(data) != rows * self.layout.row_bytes:
            raise InputRefused(f"npz: {name} ends early")
        return self.layout.tensor(data, rows).renamed(name)


def _read_header(stream: IO[bytes]) -> bytes:
    head = stream.read(12)
    if len(head) < 12:
        raise InputRefused("npz: an array without a header")
    wide = head[6:7] != b"\x01"
    length = int.from_bytes(head[8:12] if wide else head[8:10], "little")
    return head + stream.read(max(0, min(length, HEADER_BYTES) + (0 if wide else -2)))


def _from(tensor: Tensor, row: int) -> Tensor:
    if not row:
        return tensor
    width = len(tensor.data) // tensor.shape[0]
    shape = (tensor.shape[0] - row, *tensor.shape[1:])
    return Tensor(tensor.name, tensor.datatype, shape, tensor.data[row * width :])


def rows_of(columns: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
    """One row of columns."""
    found = {}
    for name, tensor in columns.items():
        width = len(tensor.data) // tensor.shape[0]
        data = tensor.data[row * width : (row + 1) * width]
        found[name] = Tensor(name, tensor.datatype, tensor.shape[1:], data)
    return found
