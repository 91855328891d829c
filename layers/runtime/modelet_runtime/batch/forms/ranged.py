"""An object as a file: for readers that seek."""

import io

from modelet_runtime.batch.errors import InputTooLarge
from modelet_runtime.batch.forms.base import Limits, Source

_WINDOW_BYTES = 1024 * 1024


class RangedFile(io.RawIOBase):
    """Reads ranges as they are asked for, each a window ahead.

    Attributes:
        bytes_read: Distinct windows fetched, as a measure of progress.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__()
        self._source = source
        self._limits = limits
        self._at = 0
        self._windows: dict[int, bytes] = {}
        self.bytes_read = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.ref.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            InputTooLarge: (413) More is asked for at once than may lie in memory.
        """
        end = self._source.ref.size_bytes if size < 0 else min(self._at + size, self._source.ref.size_bytes)
        if end - self._at > self._limits.group_bytes:
            raise InputTooLarge(
                f"{end - self._at} bytes at once, expected {self._limits.group_bytes} at most"
            )
        out = bytearray()
        while self._at < end:
            number, inside = divmod(self._at, _WINDOW_BYTES)
            piece = self._window(number)[inside : inside + end - self._at]
            if not piece:
                break
            out += piece
            self._at += len(piece)
        return bytes(out)

    def readinto(self, buffer: object) -> int:
        """Fill a buffer."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _window(self, number: int) -> bytes:
        if number not in self._windows:
            while len(self._windows) >= 16:  # members of an archive are read side by side
                self._windows.pop(next(iter(self._windows)))
            start = number * _WINDOW_BYTES
            self._windows[number] = self._source.load(start, start + _WINDOW_BYTES)
            self.bytes_read = min(self.bytes_read + _WINDOW_BYTES, self._source.ref.size_bytes)
        return self._windows[number]
