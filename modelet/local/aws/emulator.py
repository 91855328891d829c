"""moto's server in a process of its own, on loopback."""

import asyncio
import contextlib
import os
import socket
import sys
from types import TracebackType
from typing import Any, Self

import aiohttp

from modelet.errors import ServiceRefused
from modelet.local.events import ACCOUNT_ID
from modelet.local.process import REGION, guard

_START_S = 30.0
_POLL_S = 0.02
_HOST = "127.0.0.1"
# moto's own settings, which it takes as soon as it takes anything; by default it runs no state machines.
_SETTINGS = "/moto-api/config"
_STEP_FUNCTIONS = {"stepfunctions": {"execute_state_machine": True}}
# Any will do: the emulator takes all, but clients refuse to call without.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class Emulator:
    """Starts the server and waits until it answers; an asynchronous context manager.

    What it holds lives in its memory and ends with it.

    Args:
        port: To listen on.
        calls_port: Where its state machines call functions, and everything else.

    Attributes:
        url: Where it listens, for every service.
    """

    def __init__(self, port: int, calls_port: int) -> None:
        self._port = port
        self._calls_port = calls_port
        self._process: asyncio.subprocess.Process | None = None
        self.url = url_of(port)

    async def __aenter__(self) -> Self:
        """Start.

        Raises:
            ServiceRefused: The server did not come up.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def client(self, service: str) -> Any:
        """A boto3 client of one service."""
        import boto3  # noqa: PLC0415  half a second, and only batch needs it
        from botocore.config import Config  # noqa: PLC0415

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            # Once the emulator is gone, threads that wait for it should not go on trying.
            config=Config(
                s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 2}
            ),
        )

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *guard(),
            *(sys.executable, "-m", "moto.server", "--host", _HOST, "--port", str(self._port)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "MOTO_PORT": str(self._calls_port),
                "MOTO_ACCOUNT_ID": ACCOUNT_ID,
                **CREDENTIALS,
            },
            start_new_session=True,
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_S), aiohttp.ClientSession() as session:
                while self._process.returncode is None:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.post(self.url + _SETTINGS, json=_STEP_FUNCTIONS) as answer:
                            if answer.ok:
                                return
                    await asyncio.sleep(_POLL_S)
        raise ServiceRefused("moto's server did not come up", "run `python -m moto.server` to see why")


def url_of(port: int) -> str:
    """Where a server on that port listens."""
    return f"http://{_HOST}:{port}"


def checked(port: int) -> int:
    """A free port, or the given one if it is.

    Raises:
        ServiceRefused: It is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ServiceRefused(
                f"port {port} is taken", "end what listens there, or choose another with --s3-port"
            ) from error
        found: int = probe.getsockname()[1]
        return found
