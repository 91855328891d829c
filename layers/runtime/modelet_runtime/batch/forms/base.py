"""What readers give and writers take: chunks of consecutive rows."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modelet_runtime.batch.identity import ObjectRef
from modelet_runtime.batch.objects import Bucket
from modelet_runtime.errors import ModeletError
from modelet_runtime.steps.base import Answer, Value
from modelet_runtime.tensor import Tensor

# A row whose value could not be read stands in its place as the error.
Row = Value | ModeletError


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows of the input, as values or as columns.

    Attributes:
        first: The number of the first row, in its part.
        rows: How many there are.
        values: One per row, as the online routes would parse it; None where `columns` hold them.
        columns: Tensors by column with the rows on the first axis; None where `values` hold them.
        refer: What the row of an index in the chunk is called in reports of failures.
        kept: The columns the results are to repeat, row by row; None where there are none.
        numbers: The rows' numbers where they do not follow one another; None where they do.
        position: Where to go on reading after this chunk; None where that is not possible here.
        bytes_done: Input read up to its end.
    """

    first: int
    rows: int
    values: Sequence[Row] | None
    columns: Mapping[str, Tensor] | None
    refer: Callable[[int], dict[str, Any]]
    kept: Sequence[Mapping[str, Any]] | None = None
    numbers: Sequence[int] | None = None
    position: Any = None
    bytes_done: int = 0


class Reader(Protocol):
    """Reads a slice of an input from a position on."""

    def chunks(self, position: Any) -> Generator[Chunk]:
        """The rows after a position, in order; None is the beginning.

        Raises:
            RunFailed: The input cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Results:
    """What consecutive rows came to.

    Attributes:
        first: The number of the first row, in its part.
        rows: How many there are.
        answers: One per row, None where it failed; None where `outputs` hold them.
        outputs: The graph's outputs with the rows on the first axis; rows that failed hold zeros.
        failures: The errors by index in these rows.
        refer: What a row is called, by index.
        kept: As in the chunk.
        numbers: As in the chunk.
        position: As in the chunk.
        bytes_done: As in the chunk.
    """

    first: int
    rows: int
    answers: Sequence[Answer] | None
    outputs: Sequence[Tensor] | None
    failures: Mapping[int, ModeletError]
    refer: Callable[[int], dict[str, Any]]
    kept: Sequence[Mapping[str, Any]] | None
    numbers: Sequence[int] | None
    position: Any
    bytes_done: int


class Writer(Protocol):
    """Turns results into the bytes of an output form. What it learns of the columns is kept across workers.

    Attributes:
        suffix: The form's file suffix.
        media_type: Its media type.
        columns: What it knows of the columns, as JSON; None before the first rows.
    """

    suffix: str
    media_type: str
    columns: Any

    def write(self, results: Results) -> bytes:
        """The bytes these rows add to the segment; may hold rows back until `flush`.

        Raises:
            ModeletError: The results have no such form.
        """
        ...

    def flush(self) -> bytes:
        """What ends the segment, after which the next may begin."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that bombs meet.

    Attributes:
        row_bytes: The longest line, the largest single object, the widest row of an array.
        group_bytes: The largest row group or record batch that is held at once.
        columns: The most columns of a table.
        unpacked_ratio: What a compressed input may unpack to, over what it takes; beyond a gigabyte.
        chunk_bytes: About how much is parsed at once.
        read_bytes: The size of one ranged request.
        ahead: Ranged requests under way at once.
    """

    row_bytes: int = 64 * 1024**2
    group_bytes: int = 512 * 1024**2
    columns: int = 10_000
    unpacked_ratio: int = 200
    chunk_bytes: int = 1024**2
    read_bytes: int = 8 * 1024**2
    ahead: int = 2


@dataclass(frozen=True, slots=True)
class Source:
    """The object that is read."""

    bucket: Bucket
    ref: ObjectRef

    def load(self, start: int, end: int) -> bytes:
        """A range of it."""
        return self.bucket.read(self.ref, start, end)

    def stream(self, start: int, end: int, limits: Limits) -> Iterator[bytes]:
        """A range of it, piece by piece."""
        return self.bucket.stream(self.ref, start, end, limits.read_bytes, limits.ahead)


def no_reference(row: int) -> dict[str, Any]:
    """For inputs whose row number says it all."""
    return {}
