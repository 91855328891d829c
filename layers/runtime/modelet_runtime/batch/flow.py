"""Reading, running and writing at the same time, in order, with little in between."""

from collections.abc import Callable, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

from modelet_runtime.batch.engine import Engine, Work
from modelet_runtime.batch.forms.base import Chunk, Results

_DEPTH = 2
_POLL_S = 0.1
_T = TypeVar("_T")


class _Done:
    """Behind the last item."""


class _Pipe(Generic[_T]):
    """A short queue that gives up when the flow stops."""

    def __init__(self, stopped: Event) -> None:
        self._queue: Queue[_T | _Done] = Queue(_DEPTH)
        self._stopped = stopped

    def put(self, item: "_T | _Done") -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[_T]:
        while not self._stopped.is_set():
            try:
                item = self._queue.get(timeout=_POLL_S)
            except Empty:
                continue
            if isinstance(item, _Done):
                return
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
        self._prepared: _Pipe[Work] = _Pipe(self._stopped)
        self._inferred: _Pipe[Work] = _Pipe(self._stopped)
        self._errors: list[BaseException] = []

    def stop(self) -> None:
        """End soon; what is under way is dropped."""
        self._stopped.set()

    def run(self, chunks: Iterator[Chunk]) -> bool:
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
        self._stopped.set()

    def _read(self, chunks: Iterator[Chunk]) -> None:
        for chunk in chunks:
            if not self._prepared.put(self._engine.prepare(chunk)):
                return
        self._prepared.put(_Done())

    def _infer(self) -> None:
        for work in self._prepared:
            self._engine.infer(work)
            if not self._inferred.put(work):
                return
        self._inferred.put(_Done())

    def _write(self) -> None:
        for work in self._inferred:
            if self._take(self._engine.finish(work)):
                self.stop()
                return
