"""Columns of numbers as Parquet's pages, by copying: what lies in a tensor is what Parquet calls plain.

The library's encoder looks at every element and holds Python's lock meanwhile, for a tenth of the time that
a small graph takes. Tensors have no missing values and lists of one length, so their levels are patterns.

Source: https://parquet.apache.org/docs/file-format/data-pages/encodings/
    https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists
"""

from collections.abc import Sequence
from functools import cache
from math import prod

from modelet_runtime.batch.forms.parquet_footer import MAGIC, Footer, RowGroup, with_columns
from modelet_runtime.batch.forms.thrift import Struct, write
from modelet_runtime.tensor import Tensor

# Datatypes whose elements are the bytes of a physical type; smaller integers would have to be widened.
_AS_THEY_ARE = frozenset({"FP32", "FP64", "INT32", "INT64", "UINT32", "UINT64"})
_PAGE_BYTES = 1024 * 1024
# The pattern of wider rows is worth more than it saves.
_MOST_VALUES = 4096
_I32, _STRUCT = 5, 12
# PageHeader and DataPageHeader
_PLAIN, _RLE = 0, 3
_ROWS_ALIGNED = 8


def can_copy(tensors: Sequence[Tensor]) -> bool:
    """Whether these columns can be written so."""
    return all(
        tensor.datatype.name in _AS_THEY_ARE and 0 < prod(tensor.shape[1:]) <= _MOST_VALUES
        for tensor in tensors
    )


def row_group(footer: Footer, blocks: Sequence[Sequence[Tensor]]) -> tuple[bytes, Footer]:
    """Encode one row group.

    Args:
        footer: Of a file with these columns, which tells the schema; its rows do not count.
        blocks: Consecutive rows: a tensor `[rows, ...]` per column.

    Returns:
        The row group's bytes, and the footer of a file of it alone.
    """
    rows = sum(block[0].shape[0] for block in blocks)
    columns = [_column([block[number] for block in blocks], rows) for number in range(len(blocks[0]))]
    sizes = [sum(map(len, pages)) for pages in columns]
    counts = [rows * prod(tensor.shape[1:]) for tensor in blocks[0]]
    group = with_columns(footer.row_groups[0], rows, sizes, counts)
    body = b"".join([page for pages in columns for page in pages])
    return body, Footer(footer.content, (RowGroup(rows, len(MAGIC), len(MAGIC) + len(body), group),))


def _column(pieces: Sequence[Tensor], rows: int) -> list[bytes | memoryview]:
    """A column's pages, in pieces that are yet to be joined."""
    shape = pieces[0].shape[1:]
    data = pieces[0].buffer if len(pieces) == 1 else memoryview(b"".join([piece.buffer for piece in pieces]))
    row_bytes = len(data) // rows
    step = max(1, _PAGE_BYTES // row_bytes)
    out: list[bytes | memoryview] = []
    for start in range(0, rows, step):
        count = min(step, rows - start)
        values = data[start * row_bytes : (start + count) * row_bytes]
        levels = _levels(count, shape)
        out += [_header(count * prod(shape), len(levels) + len(values)), levels, values]
    return out


def _header(values: int, size_bytes: int) -> bytes:
    data_page = Struct({1: (_I32, values), 2: (_I32, _PLAIN), 3: (_I32, _RLE), 4: (_I32, _RLE)})
    sizes = {2: (_I32, size_bytes), 3: (_I32, size_bytes)}
    return write(Struct({1: (_I32, 0), **sizes, 5: (_STRUCT, data_page)}))


def _levels(rows: int, shape: tuple[int, ...]) -> bytes:
    """Repetition and definition levels: where lists begin, and that nothing is missing."""
    definition = _run(rows * prod(shape), 1 + 2 * len(shape))
    if not shape:
        return _sized(definition)
    groups = -(-rows * prod(shape) // 8)
    width = len(shape).bit_length()
    pattern = _repetition(shape) * -(-rows // _ROWS_ALIGNED)
    return _sized(_varint(groups << 1 | 1) + pattern[: groups * width]) + _sized(definition)


@cache
def _repetition(shape: tuple[int, ...]) -> bytes:
    """Levels of eight rows, packed: 0 begins a row, a higher number continues at that depth."""
    width = len(shape).bit_length()
    packed = 0
    for index in range(_ROWS_ALIGNED * prod(shape)):
        packed |= _depth(index, shape) << index * width
    return packed.to_bytes(prod(shape) * width, "little")


def _depth(index: int, shape: tuple[int, ...]) -> int:
    """At which depth an element continues a list: 0 where a row begins, as deep as there are axes inside."""
    for depth in range(len(shape)):
        if index % prod(shape[depth:]) == 0:
            return depth
    return len(shape)


def _run(count: int, level: int) -> bytes:
    """One level, so many times."""
    return _varint(count << 1) + bytes([level])


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def _sized(levels: bytes) -> bytes:
    return len(levels).to_bytes(4, "little") + levels
