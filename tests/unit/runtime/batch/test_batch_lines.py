"""Texts cut anywhere: every row is read once, by one slice."""

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from modelet_runtime.batch.forms.base import Limits
from modelet_runtime.batch.forms.lines import Text

CELL = st.text("xy,\n", max_size=5).map(lambda text: '"' + text.replace("y", '""') + '"')
ROW = st.one_of(st.text("abc,", min_size=1, max_size=8), st.builds("{},{}".format, st.just("a"), CELL))


class Bytes:
    """An object in memory, streamed in small pieces."""

    def __init__(self, data, step):
        self._data, self._step = data, step
        self.ref = SimpleNamespace(size_bytes=len(data))

    def stream(self, start, end, limits):
        return (self._data[at : min(at + self._step, end)] for at in range(start, end, self._step))


@settings(max_examples=400, deadline=None)
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
