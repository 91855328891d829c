"""Reading, running and writing at the same time, in order, with little in between."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from threading import Condition, Event, Thread
from typing import Generic, TypeVar

from modelet_runtime.batch.engine import Engine, Work
from modelet_runtime.batch.forms.base import Chunk, Results

_DEPTH = 2
_T = TypeVar("_T")


class _Pipe(Generic[_T]):
    """A short queue between two threads that either end can close at once."""

    def __init__(self) -> None:
        self._items: deque[_T] = deque()
        self._changed = Condition()
        self._is_ended = self._is_stopped = False

    def put(self, item: _T) -> bool:
        """Wait for room; False if nobody wants more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < _DEPTH or self._is_stopped)
            if not self._is_stopped:
                self._items.append(item)
                self._changed.notify_all()
            return not self._is_stopped

    def end(self) -> None:
        """Nothing comes after what is there."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Drop what is there, and whatever else comes."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[_T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._is_ended or self._is_stopped)
                if self._is_stopped or not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


class Flow:
    """Chunks through an engine into a sink, each stage in its own thread.

    Args:
        engine: The model.
        take: Called with the results in order; True stops the flow, as what came after is not wanted.
    """

    def __init__(self, engine: Engine, take: Callable[[Results], bool]) -> None:
        self._engine = engine
        self._take = take
        self._stopped = Event()
        self._prepared: _Pipe[Work] = _Pipe()
        self._inferred: _Pipe[Work] = _Pipe()
        self._errors: list[BaseException] = []

    def stop(self) -> None:
        """End soon; what is under way is dropped."""
        self._stopped.set()
        self._prepared.stop()
        self._inferred.stop()

    def run(self, chunks: Generator[Chunk]) -> bool:
        """Pass all chunks through.

        Returns:
            Whether the last one was taken; False if the flow was stopped before.

        Raises:
            Exception: What a stage raised first.
        """
        reader = self._thread("modelet-read", lambda: self._read(chunks))
        writer = self._thread("modelet-write", self._write)
        try:
            self._infer()
        except BaseException as error:
            self._fail(error)
        reader.join()
        writer.join()
        if self._errors:
            raise self._errors[0]
        return not self._stopped.is_set()

    def _thread(self, name: str, work: Callable[[], None]) -> Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                self._fail(error)

        thread = Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _fail(self, error: BaseException) -> None:
        self._errors.append(error)
        self.stop()

    def _read(self, chunks: Generator[Chunk]) -> None:
        with closing(chunks):  # requests that are under way end with it
            for chunk in chunks:
                if not self._prepared.put(self._engine.prepare(chunk)):
                    return
        self._prepared.end()

    def _infer(self) -> None:
        for work in self._prepared:
            self._engine.infer(work)
            if not self._inferred.put(work):
                return
        self._inferred.end()

    def _write(self) -> None:
        for work in self._inferred:
            if self._take(self._engine.finish(work)):
                self.stop()
                return
