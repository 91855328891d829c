"""The process an environment consists of: the AWS runtime client with a function's handler.

It is started as the image starts it: in the function's folder, with an environment that holds what
Lambda sets and what the function asks for, and nothing of the shell that runs the service.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelet.local.events import ACCOUNT_ID
from modelet.local.logs import LineStream

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function as it would be deployed.

    Attributes:
        name: Of the function.
        folder: Working directory, which holds the handler's module.
        environment: Its own variables.
        python_path: Folders its imports come from, besides its own and the installed packages.
        version: The published version.
        handler: Module and callable.
        memory_mib: What it would get; told to it, not enforced.
        timeout_s: How long one request may take.
        concurrency: How many environments it may have.
        snap_start: Whether its environments go through a snapshot and a restore.
    """

    name: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[Path, ...] = ()
    version: str = "$LATEST"
    handler: str = "handler.handler"
    memory_mib: int = 1769
    timeout_s: float = 30.0
    concurrency: int = 32
    snap_start: bool = False

    def arn(self, qualifier: str) -> str:
        """The ARN the function sees itself called by; the qualifier is a version or an alias."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{self.name}:{qualifier}"


class FunctionProcess(asyncio.SubprocessProtocol):
    """A running process, in a process group of its own.

    Args:
        output: Gets what it writes to stdout and stderr, in order.
        on_exit: Called once with its exit code, negative for a signal.
    """

    def __init__(self, output: LineStream, on_exit: Callable[[int], None]) -> None:
        self._output = output
        self._on_exit = on_exit
        self._transport: asyncio.SubprocessTransport | None = None
        self._closed = asyncio.get_running_loop().create_future()

    @classmethod
    async def launch(
        cls,
        spec: FunctionSpec,
        runtime_api: str,
        scratch: Path,
        output: LineStream,
        on_exit: Callable[[int], None],
    ) -> "FunctionProcess":
        """Start the runtime client of a function.

        Args:
            spec: The function.
            runtime_api: Where its Runtime API listens.
            scratch: Its `/tmp`.
            output: See the class.
            on_exit: See the class.
        """
        process = cls(output, on_exit)
        await asyncio.get_running_loop().subprocess_exec(
            lambda: process,
            *guard(),
            # Without `site`, as in the image: nothing but the listed folders decides what is imported,
            # and no *.pth file of the development environment costs time at every cold start.
            *(sys.executable, "-S", "-m", "awslambdaric", spec.handler),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=spec.folder,
            env=_environment(spec, runtime_api, scratch),
            start_new_session=True,
        )
        return process

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        assert self._transport is not None
        return self._transport.get_pid()

    def kill(self) -> None:
        """End the process and all it started, at once, as Lambda does."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def wait(self) -> None:
        """Wait until it has ended and all its output is read."""
        await asyncio.shield(self._closed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the process."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass output on."""
        self._output.write(data)

    def process_exited(self) -> None:
        """End what the process may have left in its group, and report its exit code."""
        assert self._transport is not None
        self.kill()
        returncode = self._transport.get_returncode()
        assert returncode is not None
        self._on_exit(returncode)

    def connection_lost(self, exc: Exception | None) -> None:
        """All is read."""
        self._output.close()
        assert self._transport is not None
        self._transport.close()
        if not self._closed.done():
            self._closed.set_result(None)


def guard() -> tuple[str, ...]:
    """A prefix that has the kernel end the process when the service is gone, however it went.

    Elsewhere, and for what a handler itself started, the broken Runtime API connection does it after
    the request under way.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _environment(spec: FunctionSpec, runtime_api: str, scratch: Path) -> dict[str, str]:
    """Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""
    installed = (path for path in sys.path if path.endswith(("site-packages", "dist-packages")))
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": str(scratch),
        "PYTHONPATH": os.pathsep.join([*map(str, spec.python_path), *installed]),
        "_HANDLER": spec.handler,
        "LAMBDA_TASK_ROOT": str(spec.folder),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mib),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if spec.snap_start else "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": scratch.name,
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        **spec.environment,
    }
