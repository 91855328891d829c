"""Text in chunks that end where a row does: the part of JSONL, CSV and manifests that is alike.

A slice `[start, end)` of a text is the rows whose first byte lies in it. Where quotes can hide a line end
(CSV), a line end counts if the number of quotes before it is even, which is RFC 4180's rule read forwards;
the planner counts the quotes before each slice once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from modelet_runtime.batch.errors import InputTooLarge
from modelet_runtime.batch.forms.base import Limits, Source
from modelet_runtime.batch.forms.unpack import Compression, limit_of, unpack

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Text:
    """A slice of a text object.

    Attributes:
        source: The object.
        limits: Bounds.
        compression: How it is packed; a packed text has one slice.
        start: The slice's first byte; a row that began before it belongs to the slice before.
        end: The byte after its last; a row that began before it belongs to this slice.
        quoted: Whether quotes hide line ends.
        odd: Whether an odd number of quotes comes before `start`.
    """

    source: Source
    limits: Limits = field(default_factory=Limits)
    compression: Compression = ""
    start: int = 0
    end: int = -1
    quoted: bool = False
    odd: bool = False

    @property
    def stop(self) -> int:
        """The byte after the slice's last."""
        return self.source.ref.size_bytes if self.end < 0 else self.end

    def pieces(self, offset: int | None) -> Iterator[tuple[int, bytes]]:
        """Whole rows from an offset on: where each piece begins, and its bytes, ending at a row's end.

        Args:
            offset: In the unpacked text, where a row begins; None is the slice's beginning.

        Raises:
            InputTooLarge: (413) A row is longer than the limit.
        """
        begin = self.start if offset is None else offset
        held = bytearray()
        data = self._from(begin)
        if offset is None and begin > 0:
            data = self._from(begin - 1)  # the byte before tells whether a row begins here
            begin, held = self._skip_row(data)
        for piece in chain([b""], data):
            held += piece
            cut = self._last_end(held) + 1 if len(held) >= self.limits.chunk_bytes else 0
            if cut:
                yield from self._within(begin, _copied(held, cut))
                begin += cut
                del held[:cut]
            if begin >= self.stop and not self.compression:
                return
            self._check(len(held), begin)
        yield from self._within(begin, bytes(held))

    def _from(self, offset: int) -> Iterator[bytes | memoryview]:
        """The unpacked text from an offset on, in pieces about as large as a chunk."""
        if self.compression:
            size = self.source.ref.size_bytes
            packed = self.source.stream(0, size, self.limits)
            limit_bytes = limit_of(size, self.limits.unpacked_ratio)
            yield from _after(offset, unpack(packed, self.compression, limit_bytes))
            return
        for piece in self.source.stream(offset, self.source.ref.size_bytes, self.limits):
            view = memoryview(piece)
            for start in range(0, len(piece), self.limits.chunk_bytes):
                yield view[start : start + self.limits.chunk_bytes]

    def _skip_row(self, data: Iterator[bytes | memoryview]) -> tuple[int, bytearray]:
        """Pass over the row that began before the slice: where the next one begins, and what was read."""
        held = bytearray()
        for piece in data:
            held += piece
            # `odd` counts the quotes before `start`: not the byte before it.
            end = _first_end(held, 0, self.odd) if held[:1] == b"\n" else _first_end(held, 1, self.odd)
            if not self.quoted:
                end = held.find(b"\n")
            if end >= 0:
                return self.start + end, held[end + 1 :]
            self._check(len(held), self.start)
        return self.source.ref.size_bytes, bytearray()

    def _within(self, begin: int, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """A piece without the rows that begin after the slice, and without a byte order mark."""
        if not self.compression and self.end >= 0 and begin + len(piece) > self.stop:
            piece = piece[: self._end_after(piece, self.stop - begin)]
        if begin == 0 and piece.startswith(_BOM):
            begin, piece = len(_BOM), piece[len(_BOM) :]
        if piece:
            yield begin, piece

    def _end_after(self, piece: bytes, at: int) -> int:
        """Where the row ends that holds the byte before `at`."""
        if at <= 0:
            return 0
        is_odd = self.quoted and piece.count(b'"', 0, at - 1) % 2 == 1
        end = _first_end(piece, at - 1, is_odd) if self.quoted else piece.find(b"\n", at - 1)
        return len(piece) if end < 0 else end + 1

    def _last_end(self, held: bytearray) -> int:
        if not self.quoted:
            return held.rfind(b"\n")
        end, outside = len(held), held.count(b'"') % 2 == 0
        while True:
            quote = held.rfind(b'"', 0, end)
            found = held.rfind(b"\n", quote + 1, end) if outside else -1
            if found >= 0 or quote < 0:
                return found
            end, outside = quote, not outside

    def _check(self, size_bytes: int, begin: int) -> None:
        if size_bytes > self.limits.row_bytes:
            raise InputTooLarge(
                f"the row at byte {begin} is longer than {self.limits.row_bytes} bytes"
                + (", or its quotes never close" if self.quoted else "")
            )


def _copied(held: bytearray, end: int) -> bytes:
    """The first bytes, copied once."""
    with memoryview(held) as view:
        return bytes(view[:end])


def _first_end(held: bytes | bytearray, start: int, is_odd: bool) -> int:
    """The first line end outside quotes; each byte is looked at once."""
    at, outside = start, not is_odd
    while True:
        quote = held.find(b'"', at)
        found = held.find(b"\n", at, len(held) if quote < 0 else quote) if outside else -1
        if found >= 0 or quote < 0:
            return found
        at, outside = quote + 1, not outside


def _after(offset: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A stream without its first bytes."""
    left = offset
    for piece in pieces:
        if len(piece) > left:
            yield piece[left:]
        left = max(0, left - len(piece))
