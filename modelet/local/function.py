"""One function: as many environments as its requests need, up to its concurrency."""

import asyncio
import contextlib
import os
import time
from collections import deque
from functools import partial
from pathlib import Path
from uuid import uuid4

from modelet.local.environment import Environment
from modelet.local.errors import (
    FunctionError,
    InitFailed,
    InitTimedOut,
    NeverDelivered,
    ServiceError,
    Stopping,
    Throttled,
)
from modelet.local.limits import INIT_TIMEOUT_S, RESTORE_TIMEOUT_S, SNAPSHOT_TIMEOUT_S, check_event
from modelet.local.logs import LogView
from modelet.local.metrics import ServiceMetrics
from modelet.local.process import FunctionSpec
from modelet.local.runtime_api import Invocation

# Lambda keeps idle environments for an unstated time of minutes.
IDLE_EXPIRY_S = 300.0
_RETIRE_POLL_S = 0.1


class Function:
    """Invokes a function as Lambda does.

    A request takes the environment that was used last; when none is idle, a further one is started, and
    whichever becomes free first takes the longest waiting request. No more start at once than there are
    CPUs to start them, and above the function's concurrency requests are refused.

    With SnapStart one environment more waits at its snapshot, so that a cold start is a restore and no
    init. In the cloud any number start from one snapshot; here each has been initialised itself.

    Args:
        spec: The function.
        scratch: Folder for temporary files of its environments.
        logs: Where its output is shown.
        metrics: Where its figures are counted.
        idle_expiry_s: How long an environment may be idle before it is ended.

    Attributes:
        spec: The function.
        log: Its log.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        scratch: Path,
        logs: LogView,
        metrics: ServiceMetrics,
        idle_expiry_s: float = IDLE_EXPIRY_S,
    ) -> None:
        self.spec = spec
        self._scratch = scratch
        self.log = logs.function(spec.name)
        self._metrics = metrics
        self._idle_expiry_s = idle_expiry_s
        self._environments: set[Environment] = set()
        self._idle: list[Environment] = []
        self._waiting: deque[asyncio.Future[Environment]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._spare: asyncio.Task[Environment] | None = None
        self._reaper: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def environments(self) -> tuple[Environment, ...]:
        """Those that are up or coming up."""
        return tuple(self._environments)

    async def publish(self) -> None:
        """With SnapStart, take the snapshot that the first cold start will restore; a failure is logged."""
        if self.spec.snap_start:
            self._prepare_spare()
            assert self._spare is not None
            await asyncio.wait([self._spare])

    async def invoke(
        self, event: bytes, qualifier: str = "", trace_id: str = "", request_id: str = ""
    ) -> bytes:
        """Run the handler over one event and give its result as JSON.

        When the caller is cancelled the function goes on, and its environment stays taken until it ends.

        Args:
            event: The event as JSON.
            qualifier: Version or alias it is called by; its version by default.
            trace_id: For X-Ray; empty where the caller traces nothing.
            request_id: Lambda's id of the event; a new one by default.

        Raises:
            RequestTooLarge: (413) The event is over Lambda's limit.
            Throttled: (429) The function's concurrency is used up.
            Stopping: (503) The service is being stopped.
            FunctionError: (500, 502) The function failed.
        """
        check_event(len(event))
        if self._is_closed:
            raise Stopping("the service is being stopped")
        if self._in_flight >= self.spec.concurrency:
            self._metrics.failures.labels(self.spec.name, "Throttled").inc()
            raise Throttled(
                f"function '{self.spec.name}' answers {self.spec.concurrency} requests at once, not more"
            )
        self._in_flight += 1
        arn = self.spec.arn(qualifier or self.spec.version)
        while True:
            environment = await self._acquire()
            deadline_ms = int((time.time() + self.spec.timeout_s) * 1000)
            invocation = Invocation(request_id or str(uuid4()), event, deadline_ms, arn, trace_id)
            outcome = environment.invoke(invocation, self.spec.timeout_s)
            outcome.add_done_callback(partial(self._release, environment))
            try:
                return await asyncio.shield(outcome)
            except NeverDelivered:
                self._in_flight += 1
            except FunctionError as error:
                self._metrics.failures.labels(self.spec.name, type(error).__name__).inc()
                raise

    async def close(self) -> None:
        """End all environments; what is under way fails."""
        self._is_closed = True
        while self._waiting:
            self._fail_one(Stopping("the service is being stopped"))
        tasks = [*self._starting, *(task for task in (self._spare, self._reaper) if task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(environment.stop() for environment in self.environments))

    async def retire(self) -> None:
        """End once all is answered; whoever calls this invokes it no more."""
        while self._in_flight:
            await asyncio.sleep(_RETIRE_POLL_S)
        await self.close()

    async def _acquire(self) -> Environment:
        """An idle environment, or the first that becomes free.

        Raises:
            InitFailed: (500) One was started for this request and failed.
        """
        while self._idle:
            environment = self._idle.pop()
            if environment.is_usable:
                return environment
        waiter: asyncio.Future[Environment] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._start_more()
        try:
            return await waiter
        except BaseException:
            self._in_flight -= 1
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._offer(waiter.result())
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)
            raise

    def _release(self, environment: Environment, _outcome: asyncio.Future[bytes]) -> None:
        """A request is done."""
        self._in_flight -= 1
        if environment.is_usable:
            self._offer(environment)

    def _offer(self, environment: Environment) -> None:
        """Give an environment to the request that waits longest, or keep it."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(environment)
                return
        self._idle.append(environment)
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap())

    def _start_more(self) -> None:
        """Start environments for requests that wait."""
        at_once = min(len(self._waiting), os.cpu_count() or 1)
        while (
            not self._is_closed
            and len(self._starting) < at_once
            and len(self._environments) - bool(self._spare) < self.spec.concurrency
        ):
            task = asyncio.create_task(self._start())
            self._starting.add(task)
            task.add_done_callback(self._on_start_done)

    def _on_start_done(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        self._start_more()

    async def _start(self) -> None:
        """Bring one environment up, and offer it."""
        began_s = time.monotonic()
        try:
            environment = await (self._restored() if self.spec.snap_start else self._initialised())
        except InitFailed as error:
            self._note_failure(error)
            self._fail_one(error)
        else:
            how = "restore from a snapshot" if self.spec.snap_start else "cold start"
            self.log.note("INFO", f"{how} in {(time.monotonic() - began_s) * 1000:.0f} ms")
            self._offer(environment)

    async def _initialised(self) -> Environment:
        """An environment that was launched just now.

        An initialisation that takes too long is tried again within the function's own timeout, as Lambda
        does. Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
        """
        try:
            return await self._launch(INIT_TIMEOUT_S)
        except InitTimedOut as error:
            self.log.note("WARNING", f"{error}: trying again")
            return await self._launch(self.spec.timeout_s)

    async def _restored(self) -> Environment:
        """The environment that waits at its snapshot, restored; another one then goes there."""
        if self._spare is None:
            self._prepare_spare()
        assert self._spare is not None
        spare, self._spare = self._spare, None
        environment = await spare
        self._prepare_spare()
        began_s = time.monotonic()
        await environment.restore(RESTORE_TIMEOUT_S)
        self._metrics.restore_seconds.labels(self.spec.name).observe(time.monotonic() - began_s)
        return environment

    def _prepare_spare(self) -> None:
        timeout_s = max(SNAPSHOT_TIMEOUT_S, self.spec.timeout_s)
        self._spare = asyncio.create_task(self._launch(timeout_s))
        self._spare.add_done_callback(self._on_snapshot)

    def _on_snapshot(self, spare: asyncio.Task[Environment]) -> None:
        if spare.cancelled():
            return
        if (error := spare.exception()) is None:
            self.log.note("INFO", "initialised and at its snapshot")
        elif spare is self._spare:
            self._spare = None  # the next request tries again, and hears of it
            self._note_failure(error)

    async def _launch(self, timeout_s: float) -> Environment:
        began_s = time.monotonic()
        environment = Environment(self.spec, self._scratch, self.log, self._on_ended)
        self._environments.add(environment)
        self._metrics.environments.labels(self.spec.name).inc()
        await environment.start(timeout_s)
        self._metrics.init_seconds.labels(self.spec.name).observe(time.monotonic() - began_s)
        return environment

    def _note_failure(self, error: BaseException) -> None:
        self._metrics.failures.labels(self.spec.name, "InitFailed").inc()
        self.log.note("ERROR", str(error))

    def _fail_one(self, error: ServiceError) -> None:
        """Fail the request that waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                return

    def _on_ended(self, environment: Environment) -> None:
        self._environments.discard(environment)
        self._metrics.environments.labels(self.spec.name).dec()
        with contextlib.suppress(ValueError):
            self._idle.remove(environment)

    async def _reap(self) -> None:
        """End environments that have been idle too long."""
        while True:
            await asyncio.sleep(self._idle_expiry_s / 4)
            expired_s = time.monotonic() - self._idle_expiry_s
            while self._idle and self._idle[0].idle_since_s < expired_s:
                await self._idle.pop(0).stop()
