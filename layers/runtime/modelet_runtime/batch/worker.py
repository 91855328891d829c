"""One worker, one part: read on from where the part was left, until it is done or the time is up."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event, Thread
from time import monotonic
from typing import Any

from modelet_runtime.batch.engine import Engine
from modelet_runtime.batch.errors import RunCancelled, RunFailed
from modelet_runtime.batch.failure_share import FailureShare
from modelet_runtime.batch.flow import Flow
from modelet_runtime.batch.forms.base import Chunk, Limits, Results, Source
from modelet_runtime.batch.forms.opening import open_reader, open_writer
from modelet_runtime.batch.identity import Layout
from modelet_runtime.batch.objects import Bucket
from modelet_runtime.batch.options import Options
from modelet_runtime.batch.records import Part, Run
from modelet_runtime.batch.retrying import only_rows
from modelet_runtime.batch.settings import BatchSettings
from modelet_runtime.batch.sink import SegmentStream, Sink
from modelet_runtime.batch.sizing import BatchSize
from modelet_runtime.batch.store import LeaseLost, Store
from modelet_runtime.predictor import Predictor

_BATCH_SHARE = 16  # of the function's memory, for one batch's inputs


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a worker left a part.

    Attributes:
        part: As the table has it now.
        is_done: Whether nothing of it is left.
        held: Results and failures that are still in memory, of a part that was done in one go.
    """

    part: Part
    is_done: bool
    held: tuple[bytes, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker works with.

    Attributes:
        predictor: The model.
        settings: The function's.
        store: The table.
        inputs: The input bucket.
        outputs: The output bucket.
        memory_mib: The function's memory.
        limits: Bounds that bombs meet.
    """

    predictor: Predictor
    settings: BatchSettings
    store: Store
    inputs: Bucket
    outputs: Bucket
    memory_mib: int
    limits: Limits


class Worker:
    """Works on one part under its lease.

    Args:
        around: What it works with.
        run: The run.
        part: The part, leased.
        deadline_s: When the call has to be over, on the monotonic clock; None is never.
    """

    def __init__(self, around: Surroundings, run: Run, part: Part, deadline_s: float | None) -> None:
        self._around = around
        self._run = run
        self._part = part
        self._deadline_s = deadline_s
        self._options = Options.from_dict(run.options, "options")
        manifest = around.predictor.manifest
        batch = manifest.batch
        self._share = FailureShare(run.options, manifest, part.slice)
        size = BatchSize(batch.rows if batch else None, around.memory_mib * 1024**2 // _BATCH_SHARE)
        self._engine = Engine(around.predictor, size)
        self._sink = self._new_sink()
        self._flow = Flow(self._engine, self._take)
        self._base = part
        self._started_s = self._saved_s = monotonic()
        self._end: Exception | None = None
        self._is_out_of_time = False

    def _new_sink(self) -> Sink:
        layout = Layout(self._run.run, self._run.key, self._run.version)
        number, fence = self._part.number, self._part.fence

        def stream(kind: str) -> SegmentStream:
            return SegmentStream(self._around.outputs, lambda n: layout.segment(kind, number, fence, n))

        writer = open_writer(self._run.format, self._part.columns)
        return Sink(writer, stream("results"), stream("errors"))

    def work(self) -> Outcome:
        """Read on until the part is done, the time is up or the run has ended.

        Raises:
            RunFailed: The run cannot succeed.
            RunCancelled: Somebody asked for it.
            LeaseLost: Another worker has the part.
        """
        try:
            with self._beating():
                is_complete = self._flow.run(self._chunks())
            if self._end is not None:
                raise self._end
            if not is_complete:
                return Outcome(self._part, is_done=False)
            return self._complete()
        except RunFailed:
            self._sink.results.abort()  # what failed is still wanted, for the report
            raise
        except BaseException:
            self._sink.abort()
            raise

    def _chunks(self) -> Generator[Chunk]:
        around, part = self._around, self._part
        manifest = around.predictor.manifest
        source = Source(around.inputs, self._run.ref)
        names = [] if manifest.input_steps else [spec.name for spec in manifest.signature.inputs]
        reader = open_reader(
            source, part.slice, self._options, around.limits, names, around.predictor.pipeline.media_types
        )
        chunks = reader.chunks(part.position)
        failed = part.slice.get("only")
        if failed is None:
            return chunks
        return only_rows(chunks, Source(around.outputs, around.outputs.head(failed)[0]), around.limits)

    def _take(self, results: Results) -> bool:
        """Write some rows; then see whether it is time to save, to stop, or to give up."""
        self._sink.take(results)
        self._check_share(at_end=False)
        now_s = monotonic()
        settings = self._around.settings
        is_late = self._deadline_s is not None and now_s > self._deadline_s - settings.reserve_s
        if results.position is None or not (is_late or now_s - self._saved_s > settings.checkpoint_s):
            return False
        self._save(results.position)
        self._is_out_of_time = is_late
        return is_late

    def _save(self, position: Any) -> None:
        """Make what was done so far count, whoever goes on."""
        tail = self._sink.writer.flush()
        self._sink.results.add(tail, 0)
        self._part = self._counted(position)
        self._around.store.checkpoint(self._part)
        self._base = self._part
        self._sink.rows = self._sink.failed_rows = 0
        self._started_s = self._saved_s = monotonic()
        self._engine.infer_s = 0.0

    def _counted(self, position: Any, *, store_segments: bool = True) -> Part:
        """The part with what came since the last save."""
        base, sink = self._base, self._sink
        results = sink.results.close() if store_segments else None
        errors = sink.errors.close() if store_segments else None
        return replace(
            base,
            position=position,
            columns=sink.writer.columns,
            segments=base.segments + ((results,) if results else ()),
            error_segments=base.error_segments + ((errors,) if errors else ()),
            **self._progress(),
        )

    def _progress(self) -> dict[str, Any]:
        base, sink = self._base, self._sink
        return {
            "rows": base.rows + sink.rows,
            "failed_rows": base.failed_rows + sink.failed_rows,
            "bytes_done": max(base.bytes_done, sink.bytes_done),
            "bytes_total": base.bytes_total,
            "busy_ms": base.busy_ms + round((monotonic() - self._started_s) * 1000),
            "infer_ms": base.infer_ms + round(self._engine.infer_s * 1000),
        }

    def _complete(self) -> Outcome:
        """Finish the part; small results of a lone part stay in memory, ready to be published."""
        sink = self._sink
        sink.results.add(sink.writer.flush(), 0)
        self._check_share(at_end=self._run.parts == 1)
        results, errors = sink.results.held, sink.errors.held
        is_small = self._run.parts == 1 and not self._base.segments and not self._base.error_segments
        if is_small and results is not None and errors is not None:
            part = replace(self._counted(None, store_segments=False), bytes_done=self._base.bytes_total)
            return Outcome(part, is_done=True, held=(results, errors))
        part = replace(self._counted(None), bytes_done=self._base.bytes_total)
        return Outcome(self._around.store.complete(part), is_done=True)

    def _check_share(self, *, at_end: bool) -> None:
        rows = self._base.rows + self._sink.rows
        failed_rows = self._base.failed_rows + self._sink.failed_rows
        self._share.check(rows, failed_rows, at_end=at_end, first=self._sink.first_failure[:300])

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Keep the lease, tell the progress, and hear of cancellation, in a thread of its own."""
        over = Event()
        thread = Thread(target=self._beat, args=(over,), name="modelet-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, over: Event) -> None:
        settings, store = self._around.settings, self._around.store
        while not over.wait(settings.beat_s):
            try:
                store.beat(replace(self._base, **self._progress()), settings.lease_s)
                run = store.run(self._run.run)
            except LeaseLost as error:
                self._give_up(error)
                return
            except Exception:  # noqa: S112  the lease lasts several beats, and saving says what is wrong
                continue
            if run is None or run.is_final:
                self._give_up(LeaseLost(f"run {self._run.run} has ended"))
                return
            if run.cancel:
                self._give_up(RunCancelled("the run was cancelled"))
                return

    def _give_up(self, error: Exception) -> None:
        self._end = error
        self._flow.stop()

    def failures_so_far(self) -> Part:
        """The part with the failures that are known, for the report of a run that ends badly."""
        errors = self._sink.errors.close()
        return replace(
            self._base,
            error_segments=self._base.error_segments + ((errors,) if errors else ()),
            **self._progress(),
        )
