"""How runs end. The table decides which end it is; the report in the bucket says it, again if need be."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from modelet_runtime.batch import report
from modelet_runtime.batch.errors import RunCancelled, RunFailed
from modelet_runtime.batch.failure_share import FailureShare
from modelet_runtime.batch.forms.opening import open_writer
from modelet_runtime.batch.identity import Layout
from modelet_runtime.batch.joiner import Joiner
from modelet_runtime.batch.records import Part, Progress, Run
from modelet_runtime.batch.worker import Surroundings
from modelet_runtime.errors import ModeletError

Answer = dict[str, Any]


class Ending:
    """Ends runs.

    Args:
        around: What workers work with.
        now: The clock, in epoch seconds.
    """

    def __init__(self, around: Surroundings, now: Callable[[], float]) -> None:
        self._around = around
        self._store = around.store
        self._outputs = around.outputs
        self._manifest = around.predictor.manifest
        self._now = now

    def succeed(self, run: Run, parts: Sequence[Part], held: tuple[bytes, bytes] | None) -> Answer:
        """Publish the results; several workers may, and one of them counts.

        Raises:
            RunFailed: The parts do not fit together, or too many rows failed.
        """
        progress = Progress.of(parts)
        share = FailureShare(run.options, self._manifest, parts[0].slice if parts else {})
        share.check(progress.rows, progress.failed_rows, at_end=True)
        if not self._store.begin_joining(run.run):
            now = self._store.run(run.run)
            assert now is not None
            return self.again(now) if now.is_final else self.cancel(run)
        files = Joiner(self._outputs, run, parts, held).publish()
        answer = self._finish(run, "succeeded", progress, files, None)
        if held is not None and parts[0].state != "done":
            self._remember(parts[0])
        return answer

    def _remember(self, part: Part) -> None:
        """Let the part show what it did; its run is over already."""
        try:
            self._store.complete(part)
        except ModeletError:
            return

    def fail(self, run: Run, error: RunFailed, part: Part | None = None) -> Answer:
        """Record why a run cannot succeed.

        Args:
            run: The run.
            error: Why.
            part: The part that a worker was at, with the failures it knew of.
        """
        return self._end_badly(run, "failed", error, part)

    def cancel(self, run: Run) -> Answer:
        """Record that somebody stopped a run."""
        return self._end_badly(run, "cancelled", RunCancelled("the run was cancelled"), None)

    def _end_badly(self, run: Run, state: str, error: ModeletError, part: Part | None) -> Answer:
        parts = [part if part and part.number == p.number else p for p in self._store.parts(run.run)]
        files: dict[str, dict[str, Any] | None] = {"results": None, "errors": None}
        if parts:
            files["errors"] = Joiner(self._outputs, run, parts).publish_errors()
        reason = {"code": error.code, "message": str(error)}
        answer = self._finish(run, state, Progress.of(parts), files, reason)
        if run.format and answer["state"] != "succeeded":
            # A worker that was killed while it joined may have left results.
            suffix = open_writer(run.format, None).suffix
            self._outputs.delete(Layout(run.run, run.key, run.version).results(suffix))
        return answer

    def _finish(
        self,
        run: Run,
        state: str,
        progress: Progress,
        files: dict[str, dict[str, Any] | None],
        error: dict[str, Any] | None,
    ) -> Answer:
        document = report.build(
            run,
            self._manifest,
            progress,
            self._around.memory_mib,
            state=state,
            finished_at=self._now(),
            files=files,
            error=error,
        )
        results, errors = files["results"], files["errors"]
        values = {
            "rows": progress.rows,
            "failed_rows": progress.failed_rows,
            "results": results["key"] if results else "",
            "errors": errors["key"] if errors else "",
            "error": f"{error['code']}: {error['message']}" if error else "",
            "report": orjson.dumps(document, option=orjson.OPT_INDENT_2).decode(),
        }
        if self._store.finish(run, state, values):
            return self.again(replace(run, state=state, **values))  # type: ignore[arg-type]
        now = self._store.run(run.run)
        assert now is not None
        return self.again(now)

    def again(self, run: Run) -> Answer:
        """Say how a run ended; the report is put if a worker was killed before it was."""
        layout = Layout(run.run, run.key, run.version)
        key = layout.success if run.state == "succeeded" else layout.failed
        self._outputs.put_new(key, run.report.encode(), "application/json", {"modelet-run": run.run})
        answer = {"run": run.run, "state": run.state, "rows": run.rows, "failed_rows": run.failed_rows}
        return {**answer, "error": run.error} if run.error else answer
