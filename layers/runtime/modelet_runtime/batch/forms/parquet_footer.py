"""Parquet's footer: which bytes a row group takes, and how row groups move from file to file.

A row group can be read alone as a small file of its own, and files are joined by copying their row groups
and writing one footer with the offsets moved, so joining re-encodes nothing.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

from modelet_runtime.batch.errors import InputRefused, InputTooLarge
from modelet_runtime.batch.forms.thrift import List, Struct, read, write

MAGIC = b"PAR1"
TAIL_BYTES = 8
# Pages may be corrupt, but a footer this large is no honest file: it is parsed in Python.
_MAX_FOOTER_BYTES = 16 * 1024 * 1024
_MAX_COLUMNS = 10_000
_I32_TYPE, _I64_TYPE, _STRUCT_TYPE = 5, 6, 12

# FileMetaData
_SCHEMA, _NUM_ROWS, _ROW_GROUPS = 2, 3, 4
# RowGroup
_COLUMNS, _TOTAL, _GROUP_ROWS, _GROUP_OFFSET, _GROUP_COMPRESSED = 1, 2, 3, 5, 6
# ColumnChunk: the page indexes lie outside the row group and are left out.
_CHUNK_OFFSET, _META, _INDEXES = 2, 3, (4, 5, 6, 7)
# ColumnMetaData: the offsets of pages; the Bloom filter lies outside too.
_COLUMN_FACTS, _CODEC, _VALUES = (1, 2, 3), 4, 5
_UNPACKED, _COMPRESSED, _DATA, _DICTIONARY, _PAGE_OFFSETS, _BLOOM = 6, 7, 9, 11, (9, 10, 11), (14, 15)


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group and the bytes of the file that it takes."""

    rows: int
    start: int
    end: int
    content: Struct

    @property
    def unpacked_bytes(self) -> int:
        """What its pages unpack to, as the file says."""
        return sum(chunk.get(_META).get(_UNPACKED) or 0 for chunk in self.content.get(_COLUMNS).items)


@dataclass(frozen=True, slots=True)
class Footer:
    """A file's footer."""

    content: Struct
    row_groups: tuple[RowGroup, ...]


def read_footer(load: Callable[[int, int], bytes], size_bytes: int) -> Footer:
    """Read a file's footer.

    Args:
        load: Gives a range of the file.
        size_bytes: The file's size.

    Raises:
        InputRefused: (400) It is no Parquet file, or an encrypted one.
        InputTooLarge: (413) It has more columns or row groups than any honest file.
    """
    tail = load(max(0, size_bytes - TAIL_BYTES), size_bytes)
    if size_bytes < 12 or tail[4:] != MAGIC:
        raise InputRefused("parquet: the file does not end as one; it may be cut off or encrypted")
    length = int.from_bytes(tail[:4], "little")
    if length > _MAX_FOOTER_BYTES:
        raise InputTooLarge(f"parquet: a footer of {length} bytes, expected {_MAX_FOOTER_BYTES} at most")
    start = size_bytes - TAIL_BYTES - length
    if start < len(MAGIC):
        raise InputRefused("parquet: the footer does not fit into the file")
    return parse(load(start, size_bytes - TAIL_BYTES))


def parse(data: bytes) -> Footer:
    """Parse a footer's bytes.

    Raises:
        InputRefused: (400) They are none.
        InputTooLarge: (413) There are too many columns.
    """
    content = read(data)
    schema, groups = content.get(_SCHEMA), content.get(_ROW_GROUPS)
    if not isinstance(schema, List) or not isinstance(groups, List):
        raise InputRefused("parquet: the footer has no schema or no row groups")
    if len(schema.items) > _MAX_COLUMNS:
        raise InputTooLarge(f"parquet: {len(schema.items)} columns, expected {_MAX_COLUMNS} at most")
    try:
        return Footer(content, tuple(_row_group(group) for group in groups.items))
    except (AttributeError, TypeError) as error:
        raise InputRefused("parquet: a row group is not what the format says") from error


def _row_group(group: Struct) -> RowGroup:
    starts, ends = [], []
    for chunk in group.get(_COLUMNS).items:
        meta = chunk.get(_META)
        start = meta.get(_DATA)
        if meta.get(_DICTIONARY):  # 0 where writers of old had none
            start = min(start, meta.get(_DICTIONARY))
        starts.append(start)
        ends.append(start + meta.get(_COMPRESSED))
    rows = group.get(_GROUP_ROWS)
    if not starts:
        return RowGroup(rows, 0, 0, group)
    if min(starts) < 0 or any(end < start for start, end in zip(starts, ends, strict=True)) or rows < 0:
        raise InputRefused("parquet: a row group with negative sizes")
    return RowGroup(rows, min(starts), max(ends), group)


def alone(footer: Footer, group: RowGroup, body: bytes) -> bytes:
    """A file of one row group: its bytes, behind a magic number and before a footer."""
    moved = _moved(group, len(MAGIC) - group.start)
    return MAGIC + body + _tail(footer.content, [moved], group.rows)


def joined(footers: Sequence[Footer]) -> tuple[list[list[tuple[int, int]]], bytes]:
    """Join files of one schema.

    Returns:
        Per file the ranges to copy, in order, behind a magic number; and what comes after them all.
    """
    at, rows = len(MAGIC), 0
    ranges: list[list[tuple[int, int]]] = []
    moved: list[Struct] = []
    for footer in footers:
        of_file = []
        for group in footer.row_groups:
            moved.append(_moved(group, at - group.start))
            of_file.append((group.start, group.end))
            at += group.end - group.start
            rows += group.rows
        ranges.append(of_file)
    return ranges, _tail(footers[0].content, moved, rows)


def with_columns(group: RowGroup, rows: int, sizes: Sequence[int], counts: Sequence[int]) -> Struct:
    """A row group of the same columns, unpacked and one after the other behind a magic number.

    Args:
        group: Tells types, encodings and names.
        rows: How many there are.
        sizes: Each column's bytes.
        counts: Each column's values.
    """
    content = Struct(dict(group.content.fields))
    chunks, at = [], len(MAGIC)
    for chunk, size_bytes, count in zip(group.content.get(_COLUMNS).items, sizes, counts, strict=True):
        known = chunk.get(_META).fields
        meta = Struct({number: known[number] for number in _COLUMN_FACTS})
        meta.fields[_CODEC] = (_I32_TYPE, 0)
        for number, value in (
            (_VALUES, count),
            (_UNPACKED, size_bytes),
            (_COMPRESSED, size_bytes),
            (_DATA, at),
        ):
            meta.set_i64(number, value)
        chunks.append(Struct({_CHUNK_OFFSET: (_I64_TYPE, 0), _META: (_STRUCT_TYPE, meta)}))
        at += size_bytes
    content.fields[_COLUMNS] = (content.fields[_COLUMNS][0], List(_STRUCT_TYPE, chunks))
    for number, value in ((_TOTAL, sum(sizes)), (_GROUP_ROWS, rows), (_GROUP_OFFSET, len(MAGIC))):
        content.set_i64(number, value)
    content.set_i64(_GROUP_COMPRESSED, sum(sizes))
    return content


def _moved(group: RowGroup, by: int) -> Struct:
    content = deepcopy(group.content)
    if content.get(_GROUP_OFFSET):
        content.set_i64(_GROUP_OFFSET, content.get(_GROUP_OFFSET) + by)
    for chunk in content.get(_COLUMNS).items:
        chunk.set_i64(_CHUNK_OFFSET, 0)  # deprecated; 0 is what writers put there
        chunk.drop(*_INDEXES)
        meta = chunk.get(_META)
        meta.drop(*_BLOOM)
        for number in _PAGE_OFFSETS:
            if meta.get(number):
                meta.set_i64(number, meta.get(number) + by)
    return content


def _tail(content: Struct, groups: list[Struct], rows: int) -> bytes:
    changed = Struct(dict(content.fields))
    changed.set_i64(_NUM_ROWS, rows)
    ordinal = 7
    for number, group in enumerate(groups):
        if group.get(ordinal) is not None:
            group.fields[ordinal] = (group.fields[ordinal][0], number & 0x7FFF)
    changed.fields[_ROW_GROUPS] = (changed.fields[_ROW_GROUPS][0], List(_STRUCT_TYPE, groups))
    data = write(changed)
    return data + len(data).to_bytes(4, "little") + MAGIC
