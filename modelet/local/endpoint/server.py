"""A Triton server's process, over a model repository, on loopback."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from modelet.errors import ServiceRefused
from modelet.local.endpoint.installation import Installation

_START_S = 60.0
_STOP_S = 10.0
_POLL_S = 0.05
_LAST_LINES = 5
_BACKENDS = "backends"


class TritonServer:
    """Starts the server and waits until every model is ready; an asynchronous context manager.

    Triton's front end for SageMaker listens on every interface and cannot be told not to. So the server's
    own front end is used, on loopback, and `sagemaker` says what SageMaker's would.

    Args:
        installation: Where the server is.
        repository: The models.
        threads: Of each run.
    """

    def __init__(self, installation: Installation, repository: Path, threads: int = 1) -> None:
        self._installation = installation
        self._repository = repository
        self._threads = threads
        self._process: asyncio.subprocess.Process | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="modelet-triton-")
        self._port = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        """Start.

        Raises:
            ServiceRefused: The server ended or took too long; the text has its last lines.
        """
        try:
            backends = Path(self._folder.name) / _BACKENDS
            await asyncio.to_thread(self._installation.write_backends, backends)
            self._port = _free_port()
            self.url = f"http://127.0.0.1:{self._port}"
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the process and what it started."""
        process, self._process = self._process, None
        if process is not None:
            await _end(process)
        self._folder.cleanup()

    async def kill(self) -> None:
        """End the process as a crash would; `start` has another at the same address."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            ServiceRefused: It ended or took too long.
        """
        scratch = Path(self._folder.name)
        log = scratch / "log"
        with log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                self._installation.program,
                f"--model-repository={self._repository}",
                f"--backend-directory={scratch / _BACKENDS}",
                "--http-address=127.0.0.1",
                f"--http-port={self._port}",
                "--allow-grpc=false",
                "--allow-metrics=false",
                "--exit-timeout-secs=5",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=scratch,
                env=_environment(self._installation, scratch, self._threads),
                start_new_session=True,
            )
        await self._wait(log)

    async def _wait(self, log: Path) -> None:
        """Wait until the server says that it is ready."""
        assert self._process is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_S), aiohttp.ClientSession() as session:
                while self._process.returncode is None:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.get(f"{self.url}/v2/health/ready") as answer:
                            if answer.ok:
                                return
                    await asyncio.sleep(_POLL_S)
        lines = log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
        ended = self._process.returncode is not None
        how = "ended" if ended else f"was not ready after {_START_S:g} s"
        raise ServiceRefused(
            f"the Triton server {how}: {' | '.join(lines)}",
            "remove .cache/triton to be served by the CPU twin, and `make install-gpu-local` to try again",
        )


def _environment(installation: Installation, scratch: Path, threads: int) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "OMP_NUM_THREADS": str(threads),
        "MODELET_THREADS": str(threads),
        **installation.environment(),
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the server to end, so that it removes its shared memory; then end the whole group."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
