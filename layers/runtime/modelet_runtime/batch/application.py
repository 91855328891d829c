"""Messages to runs: what is to be done, who does it, and what is left behind when it is over."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from time import monotonic, time
from typing import Any, Protocol

import orjson

from modelet_runtime.batch import messages, options, planner
from modelet_runtime.batch.ending import Ending
from modelet_runtime.batch.errors import GivenUp, InputGone, InputRefused, RunCancelled, RunFailed
from modelet_runtime.batch.estimate import part_bytes
from modelet_runtime.batch.forms.base import Source
from modelet_runtime.batch.identity import Layout, ObjectRef, is_input, retry_id, run_id, selector
from modelet_runtime.batch.messages import Message
from modelet_runtime.batch.records import Part, Run
from modelet_runtime.batch.store import Held, Lease, LeaseLost
from modelet_runtime.batch.worker import Outcome, Surroundings, Worker
from modelet_runtime.errors import InvalidRequest

Answer = dict[str, Any]
_LATER_S = 5


class Sender(Protocol):
    """Has a message come back."""

    def send(self, body: str, delay_s: int = 0) -> None:
        """At the earliest after a delay."""
        ...


class Starter(Protocol):
    """Begins a state machine."""

    def start(self, name: str, document: str) -> None:
        """Once per name."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and for how long there is time.

    Attributes:
        deadline_s: When the call has to be over, on the monotonic clock; None is never.
        from_queue: Whether the queue asks: then what is left over goes back to it.
    """

    deadline_s: float | None = None
    from_queue: bool = False


class BatchApplication:
    """The batch function of one model.

    Args:
        around: What workers work with.
        digest: sha256 of the model's manifest.
        queue: Feeds this function; None where only direct calls do.
        machine: Runs parts of big inputs; None where this function does.
        now: The clock, in epoch seconds.
    """

    def __init__(
        self,
        around: Surroundings,
        digest: str,
        queue: Sender | None = None,
        machine: Starter | None = None,
        now: Callable[[], float] = time,
    ) -> None:
        self._around = around
        self._manifest = around.predictor.manifest
        self._store = around.store
        self._digest = digest
        self._queue = queue
        self._machine = machine
        self._now = now
        self._ending = Ending(around, now)

    def postpone(self, body: str, call: Call) -> bool:
        """Give a message back to the queue at once if there is no time left to begin with it."""
        late_s = self._around.settings.reserve_s + _LATER_S
        if self._queue is None or call.deadline_s is None or monotonic() < call.deadline_s - late_s:
            return False
        self._queue.send(body)
        return True

    def handle(self, message: Message, call: Call) -> Answer:
        """Do what a message says.

        Returns:
            `run`, `state` and what goes with it (decision 0160).

        Raises:
            Exception: It did not work out now; the same message may later.
        """
        if message.action == "start":
            assert message.ref is not None
            return self._start(message.ref, message, call)
        if message.action == "retry":
            return self._retry(message, call)
        run = self._store.run(message.run)
        if run is None:
            raise InvalidRequest("run", "one of the table", message.run)
        return self._ending.again(run) if run.is_final else self._advance(run, message, call)

    def _advance(self, run: Run, message: Message, call: Call) -> Answer:
        """Do something for a run that is not over."""
        if message.action == "fail":
            return self._ending.fail(run, RunFailed(message.error[:2000] or "no reason was given"))
        if replaced := self._replaced(run):
            return self._ending.fail(run, RunFailed(replaced))
        return self._join(run, call) if message.action == "join" else self._work(run, message.part, call)

    def _replaced(self, run: Run) -> str:
        """Why a run of another version cannot go on here; empty if it is of this one."""
        if run.digest == self._digest:
            return ""
        began, here = f"{run.model}@{run.version}", f"{self._manifest.name}@{self._manifest.version}"
        return f"it began with {began}, and this is {here} by now: submit the input again"

    def _start(self, announced: ObjectRef, message: Message, call: Call) -> Answer:
        if announced.bucket != self._around.inputs.name or not is_input(announced.key):
            return {"run": "", "state": "ignored"}
        chosen = selector(announced.key)
        if chosen.model != self._manifest.name:
            raise InvalidRequest("key", f"{self._manifest.name}/...", announced.key)
        try:
            ref, _ = self._around.inputs.head(announced.key, announced.version_id, announced.etag)
        except InputGone as error:
            if not announced.version:
                raise
            return self._fail_new(replace(announced, size_bytes=max(0, announced.size_bytes)), error)
        if not announced.version_id and message.announced:
            ref = replace(ref, version_id="")  # a bucket that got versions since: the event's name counts
        known = self._store.run(run_id(ref, self._digest))
        if known is not None:
            return self._ending.again(known) if known.is_final else self._go_on(known, call)
        try:
            self._check_selector(chosen.which)
            run, parts = self._planned(ref, message.options)
        except RunFailed as error:
            return self._fail_new(ref, error)
        return self._go_on(self._store.create(run, parts), call)

    def _check_selector(self, which: str) -> None:
        own = str(self._manifest.version)
        if which not in (own, *self._around.settings.aliases):
            known = ", ".join((own, *self._around.settings.aliases))
            raise InputRefused(f"'{self._manifest.name}@{which}' is not here: this function is {known}")

    def _fail_new(self, ref: ObjectRef, error: RunFailed) -> Answer:
        run = self._store.create(self._run(run_id(ref, self._digest), ref, parts=0), [])
        return self._ending.again(run) if run.is_final else self._ending.fail(run, error)

    def _run(self, run: str, ref: ObjectRef, parts: int) -> Run:
        now_s = self._now()
        return Run(
            run=run,
            model=self._manifest.name,
            version=self._manifest.version,
            digest=self._digest,
            bucket=ref.bucket,
            key=ref.key,
            object_version=ref.version,
            etag=ref.etag,
            input_bytes=ref.size_bytes,
            state="running",
            created_at=now_s,
            updated_at=now_s,
            parts=parts,
            output=Layout(run, ref.key, self._manifest.version).prefix,
        )

    def _planned(self, ref: ObjectRef, submitted: Mapping[str, Any]) -> tuple[Run, list[Part]]:
        """A new run and its parts: many only where a state machine runs them side by side."""
        around = self._around
        chosen = options.find(around.inputs, ref, submitted)
        source = Source(around.inputs, ref)
        media_types = around.predictor.pipeline.media_types
        found = planner.look(source, chosen, media_types, around.limits)
        slices = [found.slice()]
        if self._machine is not None:
            size = part_bytes(around, source, found, chosen)
            if size is not None:
                slices = planner.split(source, found, size, around.limits)
        name = run_id(ref, self._digest)
        run = replace(
            self._run(name, ref, len(slices)),
            form=found.form,
            format=planner.output_format(found, chosen, self._manifest),
            options=chosen.to_dict(),
        )
        return run, [
            _part(name, number, cut, ref.size_bytes, len(slices)) for number, cut in enumerate(slices)
        ]

    def _go_on(self, run: Run, call: Call) -> Answer:
        """Take up a run that is not over."""
        if run.parts == 0:  # its failure was not recorded to the end
            return self._ending.fail(run, RunFailed(run.error or "the run could not be planned"))
        if run.parts == 1:
            return self._work(run, 0, call)
        if self._machine is None:
            for number in range(run.parts):
                answer = self._work(run, number, call)
                if answer["state"] != "done":
                    return answer
            return self._join(run, call)
        layout = Layout(run.run, run.key, run.version)
        plan = [{"part": part.number, **part.slice} for part in self._store.parts(run.run)]
        self._around.outputs.put(layout.plan, orjson.dumps(plan))
        document = {"run": run.run, "model": run.model, "version": run.version, "parts": run.parts}
        where = {"bucket": self._around.outputs.name, "plan": layout.plan}
        self._machine.start(run.run, json.dumps({**document, **where}))
        return {"run": run.run, "state": "running", "parts": run.parts}

    def _work(self, run: Run, number: int, call: Call) -> Answer:
        lease = self._store.acquire(run.run, number, self._around.settings.lease_s)
        if isinstance(lease, Held):
            return self._later(run, number, call, ceil(lease.wait_s) + 1)
        if lease is None:
            return self._join(run, call) if run.parts == 1 else _done(self._store.part(run.run, number))
        worker = Worker(self._around, run, lease.part, call.deadline_s)
        try:
            self._check(run, lease)
            return self._left(run, worker.work(), call)
        except RunFailed as error:
            return self._ending.fail(run, error, worker.failures_so_far())
        except RunCancelled:
            return self._ending.cancel(run)
        except LeaseLost:
            return self._later(run, number, call, _LATER_S)
        except Exception as error:
            self._store.release(lease.part, f"{type(error).__name__}: {error}"[:500])
            raise

    def _check(self, run: Run, lease: Lease) -> None:
        """Refuse work that nobody wants, or that has killed its workers too often."""
        if run.cancel:
            raise RunCancelled("the run was cancelled")
        if lease.part.attempts > self._around.settings.attempts:
            raise _given_up(lease)

    def _left(self, run: Run, outcome: Outcome, call: Call) -> Answer:
        """What comes after a worker."""
        if not outcome.is_done:
            self._store.release(outcome.part)
            return self._later(run, outcome.part.number, call, 0)
        if run.parts > 1:
            return _done(outcome.part)
        return self._join(run, call, outcome)

    def _later(self, run: Run, number: int, call: Call, wait_s: int) -> Answer:
        """Have somebody go on: the queue, or whoever called."""
        if call.from_queue and self._queue is not None:
            self._queue.send(messages.go_on(run.run, number), wait_s)
        return {"run": run.run, "part": number, "state": "continue", "wait_s": wait_s}

    def _join(self, run: Run, call: Call, outcome: Outcome | None = None) -> Answer:
        parts = [outcome.part] if outcome is not None and outcome.held else list(self._store.parts(run.run))
        if not outcome and (open_parts := [part.number for part in parts if part.state != "done"]):
            if call.from_queue:
                return {"run": run.run, "state": "running"}
            text = f"parts {open_parts[:20]} were not finished"
            last = next((part.last_error for part in parts if part.last_error), "")
            return self._ending.fail(run, RunFailed(f"{text}: {last}" if last else text))
        try:
            return self._ending.succeed(run, parts, outcome.held if outcome else None)
        except RunFailed as error:
            return self._ending.fail(run, error)

    def _retry(self, message: Message, call: Call) -> Answer:
        name = retry_id(message.run, message.attempt)
        known = self._store.run(name)
        if known is not None:
            return self._ending.again(known) if known.is_final else self._go_on(known, call)
        before = self._store.run(message.run)
        if before is None or not before.is_final:
            raise InvalidRequest("run", "one that is over", message.run)
        ref = before.ref
        chosen = options.Options.from_dict(before.options, "options")
        run = replace(self._run(name, ref, 1), retry_of=before.run, options=before.options)
        try:
            if message.failed_only:
                _check_failed_rows(before)
            source = Source(self._around.inputs, ref)
            found = planner.look(
                source, chosen, self._around.predictor.pipeline.media_types, self._around.limits
            )
        except RunFailed as error:
            return self._ending.fail(self._store.create(replace(run, parts=0), []), error)
        cut = found.slice(**({"only": before.errors} if message.failed_only else {}))
        run = replace(run, form=found.form, format=planner.output_format(found, chosen, self._manifest))
        part = _part(name, 0, cut, ref.size_bytes, 1)
        return self._go_on(self._store.create(run, [part]), call)


def _part(run: str, number: int, cut: dict[str, Any], size_bytes: int, parts: int) -> Part:
    is_range = parts > 1 and "end" in cut and "bytes" not in cut and cut["form"] not in ("npy",)
    even = cut.get("bytes", size_bytes // parts)
    total = cut["end"] - cut["start"] if is_range else even
    return Part(run, number, slice=cut, bytes_total=max(1, total))


def _check_failed_rows(before: Run) -> None:
    """Refuse to repeat rows alone where the others have no results, or where none failed."""
    if before.state != "succeeded":
        raise InputRefused(
            f"run {before.run} ended as {before.state}, so its other rows have no results: retry them all"
        )
    if not before.errors:
        raise InputRefused(f"run {before.run} has no failed rows")


def _done(part: Part | None) -> Answer:
    assert part is not None
    counts = {"rows": part.rows, "failed_rows": part.failed_rows}
    return {"run": part.run, "part": part.number, "state": "done", **counts}


def _given_up(lease: Lease) -> GivenUp:
    part = lease.part
    text = f"part {part.number} was taken up {part.attempts - 1} times and never got beyond row {part.rows}"
    return GivenUp(f"{text}: {part.last_error or 'the function was killed, maybe for lack of memory'}")
