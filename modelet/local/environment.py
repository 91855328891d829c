"""One execution environment: a process that answers one request at a time until it is ended."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from modelet.local.errors import (
    Crashed,
    HandlerRaised,
    InitFailed,
    InitTimedOut,
    NeverDelivered,
    ResponseTooLarge,
    RestoreFailed,
    ServiceError,
    TimedOut,
)
from modelet.local.limits import LAMBDA_RESULT_BYTES
from modelet.local.logs import FunctionLog
from modelet.local.process import FunctionProcess, FunctionSpec
from modelet.local.runtime_api import Invocation, RuntimeApi


class Environment:
    """Starts, invokes and ends the process of a function.

    Args:
        spec: The function.
        scratch: Folder in which it gets one of its own for temporary files.
        log: Where its output goes.
        on_ended: Called when the process is gone for whatever reason.
    """

    def __init__(
        self, spec: FunctionSpec, scratch: Path, log: FunctionLog, on_ended: Callable[["Environment"], None]
    ) -> None:
        self._spec = spec
        self._scratch = Path(tempfile.mkdtemp(prefix=f"{spec.name}-", dir=scratch))
        self._log = log
        self._on_ended = on_ended
        self._api = RuntimeApi(self)
        self._process: FunctionProcess | None = None
        # The next of its states: the snapshot, if it has one; then ready for its first event.
        self._state: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outcome: asyncio.Future[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._usable = False
        self._has_ended = False
        self.idle_since_s = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether it can take a further request."""
        return self._usable

    @property
    def pid(self) -> int | None:
        """Of the process; None before it is started."""
        return self._process.pid if self._process else None

    async def start(self, timeout_s: float) -> None:
        """Launch the process and wait until it asks for its first event, or to be restored.

        Raises:
            InitFailed: (500) It ended, reported an error or took too long; it is gone then.
        """
        try:
            address = await self._api.start()
            self._process = await FunctionProcess.launch(
                self._spec, address, self._scratch, self._log.stream(), self._on_exit
            )
        except OSError as error:
            self._dispose()
            raise InitFailed(f"function '{self._spec.name}' cannot be launched: {error}") from error
        late = InitTimedOut(f"function '{self._spec.name}' was not ready after {timeout_s:g} s")
        await self._wait(timeout_s, late)

    async def restore(self, timeout_s: float) -> None:
        """Let the process go on from its snapshot, and wait until it asks for its first event.

        Raises:
            RestoreFailed: (500) It ended, reported an error or took too long; it is gone then.
        """
        self._state = asyncio.get_running_loop().create_future()
        if self._has_ended:
            raise RestoreFailed(f"function '{self._spec.name}' ended at its snapshot")
        self._api.restore()
        late = RestoreFailed(f"function '{self._spec.name}' was not restored after {timeout_s:g} s")
        await self._wait(timeout_s, late)

    async def _wait(self, timeout_s: float, late: InitFailed) -> None:
        """Wait for the next state; without it the process is ended."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._state
        except TimeoutError:
            await self.stop()
            raise late from None
        except BaseException:
            await self.stop()
            raise

    def invoke(self, invocation: Invocation, timeout_s: float) -> asyncio.Future[bytes]:
        """Hand over an event; the future gives the result, however long nobody waits for it."""
        assert self._usable
        assert self._outcome is None
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[bytes] = loop.create_future()
        self._outcome = outcome
        self._timer = loop.call_later(timeout_s, self._on_timeout, invocation.request_id, timeout_s)
        self._api.send(invocation)
        return outcome

    async def stop(self) -> None:
        """End the process; safe to call twice."""
        self._usable = False
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    def on_ready(self) -> None:
        """The runtime asks for an event: the first time, it is ready."""
        if not self._state.done():
            self._usable = True
            self._state.set_result(None)

    def on_snapshot(self) -> None:
        """The runtime is initialised and has run its hooks before the snapshot."""
        if not self._state.done():
            self._state.set_result(None)

    def on_result(self, result: bytes) -> None:
        """The handler returned."""
        self._finish(result)

    def on_result_too_large(self, result_bytes: int) -> None:
        """The handler returned too much; its runtime ends over that."""
        self._usable = False
        text = f"the function's result is {result_bytes:,} bytes, Lambda takes {LAMBDA_RESULT_BYTES:,}"
        self._log.note("ERROR", text)
        self._finish(ResponseTooLarge(text))

    def on_error(self, error: bytes) -> None:
        """The handler raised; its runtime has logged the traceback."""
        self._finish(HandlerRaised(f"function '{self._spec.name}' failed: {_kind(error)}"))

    def on_init_error(self, error: bytes) -> None:
        """The handler's module or a hook before the snapshot raised; the runtime has logged the traceback."""
        self._fail(InitFailed(f"function '{self._spec.name}' could not be initialised: {_kind(error)}"))

    def on_restore_error(self, error: bytes) -> None:
        """A hook after the restore raised; the runtime has logged the traceback."""
        self._fail(RestoreFailed(f"function '{self._spec.name}' could not be restored: {_kind(error)}"))

    def _fail(self, failure: InitFailed) -> None:
        if not self._state.done():
            self._state.set_exception(failure)

    def _on_timeout(self, request_id: str, timeout_s: float) -> None:
        self._usable = False
        self._log.note("ERROR", f"task timed out after {timeout_s:g} seconds", request_id=request_id)
        self._finish(TimedOut(f"function '{self._spec.name}' timed out after {timeout_s:g} s"))
        if self._process is not None:
            self._process.kill()

    def _on_exit(self, returncode: int) -> None:
        how = _how(returncode)
        self._usable = False
        self._has_ended = True
        self._fail(InitFailed(f"function '{self._spec.name}' ended before it was ready: {how}"))
        if self._outcome is not None and self._api.has_taken:
            self._log.note("ERROR", f"process ended during a request: {how}")
            self._finish(Crashed(f"the process of function '{self._spec.name}' ended: {how}"))
        elif self._outcome is not None:
            self._finish(NeverDelivered())
        self._dispose()

    def _dispose(self) -> None:
        self._api.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._on_ended(self)

    def _finish(self, result: bytes | ServiceError | NeverDelivered) -> None:
        if self._timer is not None:
            self._timer.cancel()
        outcome, self._outcome = self._outcome, None
        self.idle_since_s = time.monotonic()
        if outcome is None or outcome.done():
            return
        if isinstance(result, bytes):
            outcome.set_result(result)
        else:
            outcome.set_exception(result)


def _kind(error: bytes) -> str:
    """The type of the error a runtime reported; the message stays in the log."""
    try:
        return str(orjson.loads(error)["errorType"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "unknown error"


def _how(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"
