"""Texts cut anywhere: every row is read once, by one slice."""

import csv
import io
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from modelet_runtime.batch.forms.base import Limits
from modelet_runtime.batch.forms.csv_table import CsvReader, first_line, head_of
from modelet_runtime.batch.forms.lines import Text
from modelet_runtime.protocols import table

CELL = st.text("xy,\n", max_size=5).map(lambda text: '"' + text.replace("y", '""') + '"')
ROW = st.one_of(st.text("abc,", min_size=1, max_size=8), st.builds("{},{}".format, st.just("a"), CELL))


class Bytes:
    """An object in memory, streamed in small pieces."""

    def __init__(self, data, step):
        self._data, self._step = data, step
        self.ref = SimpleNamespace(size_bytes=len(data))

    def stream(self, start, end, limits):
        return (self._data[at : min(at + self._step, end)] for at in range(start, end, self._step))


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(ROW, max_size=12),
    ends=st.booleans(),
    places=st.lists(st.floats(0, 1), max_size=4),
    step=st.integers(1, 40),
    chunk_bytes=st.integers(1, 60),
)
def test_slices_hold_every_row_once_whatever_quotes_hide(rows, ends, places, step, chunk_bytes):
    data = ("\n".join(rows) + ("\n" if ends and rows else "")).encode()
    cuts = sorted({0, *(int(place * len(data)) for place in places)} - {len(data)}) or [0]
    found = []
    for start, end in zip(cuts, [*cuts[1:], len(data)], strict=True):
        text = Text(
            Bytes(data, step), Limits(chunk_bytes=chunk_bytes), start=start, end=end,
            quoted=True, odd=data[:start].count(b'"') % 2 == 1,
        )  # fmt: skip
        pieces = list(text.pieces(None))
        for offset, piece in pieces:
            assert data[offset : offset + len(piece)] == piece
            assert piece.count(b'"') % 2 == 0
            assert piece.endswith(b"\n") or offset + len(piece) == len(data)
        for number, (offset, _) in enumerate(pieces):  # taken up anywhere, the rest is the same
            rest = b"".join(piece for _, piece in text.pieces(offset))
            assert rest == b"".join(piece for _, piece in pieces[number:])
        found += pieces
    assert b"".join(piece for _, piece in found) == data


CELLS = st.one_of(st.text('ab1.,"\n\r é', max_size=6), st.floats(allow_nan=False).map(repr))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=9)
    ),
    st.sampled_from(["auto", "present", "absent"]),
    st.lists(st.floats(0, 1), max_size=3),
    st.integers(1, 60),
)
def test_tables_are_read_as_on_the_online_route_however_they_are_cut(lines, header, places, chunk_bytes):
    names = [f"column {number}" for number in range(len(lines[0]) if lines else 1)]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([names, *lines])
    data = out.getvalue().encode()
    expected = table.read(out.getvalue(), None if header == "auto" else header)
    cuts = sorted({0, *(int(place * len(data)) for place in places)} - {len(data)})
    known = head_of(first_line(data, ","), header)
    found = []
    for start, end in zip(cuts, [*cuts[1:], len(data)], strict=True):
        odd = data[:start].count(b'"') % 2 == 1
        text = Text(
            Bytes(data, 17), Limits(chunk_bytes=chunk_bytes), start=start, end=end, quoted=True, odd=odd
        )
        reader = CsvReader(text, ",", header, known if start else None)
        for chunk in reader.chunks(None):
            found += list(chunk.values)
            assert chunk.rows == len(chunk.values)
    assert found == expected
