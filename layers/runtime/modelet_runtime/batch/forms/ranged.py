"""An object as a file: for readers that seek."""

import io
from concurrent.futures import Future, ThreadPoolExecutor

from modelet_runtime.batch.errors import InputTooLarge
from modelet_runtime.batch.forms.base import Limits, Source

_WINDOW_BYTES = 1024 * 1024
# Windows that are kept: members of an archive are read side by side.
_KEPT = 24
_AHEAD = 4


class RangedFile(io.RawIOBase):
    """Reads ranges as they are asked for; what is read in order is fetched ahead.

    Attributes:
        bytes_read: Distinct windows fetched, as a measure of progress.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__()
        self._source = source
        self._limits = limits
        self._at = 0
        self._windows: dict[int, Future[bytes]] = {}
        self._pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="modelet-get")
        self.bytes_read = 0

    def close(self) -> None:
        """Fetch no more."""
        self._pool.shutdown(cancel_futures=True)
        super().close()

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
        pieces: list[memoryview] = []
        while self._at < end:
            number, inside = divmod(self._at, _WINDOW_BYTES)
            piece = memoryview(self._window(number))[inside : inside + end - self._at]
            if not piece:
                break
            pieces.append(piece)
            self._at += len(piece)
        return b"".join(pieces)

    def readinto(self, buffer: object) -> int:
        """Fill a buffer."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _window(self, number: int) -> bytes:
        is_in_order = number - 1 in self._windows
        for wanted in range(number, number + 1 + _AHEAD * is_in_order):
            if wanted not in self._windows and wanted * _WINDOW_BYTES < self._source.ref.size_bytes:
                self._fetch(wanted)
        fetched = self._windows.get(number)
        return b"" if fetched is None else fetched.result()

    def _fetch(self, number: int) -> None:
        while len(self._windows) >= _KEPT:
            self._windows.pop(next(iter(self._windows)))
        start = number * _WINDOW_BYTES
        self._windows[number] = self._pool.submit(self._source.load, start, start + _WINDOW_BYTES)
        self.bytes_read = min(self.bytes_read + _WINDOW_BYTES, self._source.ref.size_bytes)
