"""`modelet serve`: everything on one machine, from the first connection to the last process."""

import asyncio
import errno
import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from aiohttp import web
from rich.console import Console

from modelet.errors import ServiceRefused
from modelet.local.examples import commands
from modelet.local.fleet import Fleet
from modelet.local.function import Function
from modelet.local.gateway import Gateway
from modelet.local.logs import LogView
from modelet.local.metrics import ServiceMetrics
from modelet.local.router import Router
from modelet.repository import Repository


class Service:
    """The gateway with the functions of all models behind it; an asynchronous context manager.

    Args:
        fleet: The models.
        console: Where the functions' logs are shown.
        port: To listen on; 0 takes a free one.
        host: To listen on.
        snap_start: Whether functions whose manifest asks for SnapStart go through snapshot and restore.
    """

    def __init__(
        self,
        fleet: Fleet,
        console: Console,
        port: int = 8080,
        host: str = "127.0.0.1",
        snap_start: bool = False,
    ) -> None:
        self._fleet = fleet
        self._console = console
        self._port = port
        self._host = host
        self._snap_start = snap_start
        self._stack = AsyncExitStack()
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen; functions are started when they are first called, or published first with SnapStart.

        Raises:
            ServiceRefused: The port is taken.
        """
        async with AsyncExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="modelet-")))
            index = scratch / "index.json"
            self._fleet.write_index(index)
            metrics = ServiceMetrics()
            logs = LogView(self._console, metrics)
            functions = {
                key: Function(spec, scratch, logs, metrics)
                for key, spec in self._fleet.functions(index, self._snap_start).items()
            }
            router = Router(
                {
                    name: [version.number for version in versions]
                    for name, versions in self._fleet.versions.items()
                }
            )
            gateway = Gateway(router, functions, metrics)
            self.url = await listen(stack, gateway.application(), self._host, self._port)
            for function in functions.values():
                stack.push_async_callback(function.close)
                await function.publish()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every process, then answer what that failed, then remove all files."""
        await self._stack.aclose()


async def listen(stack: AsyncExitStack, application: web.Application, host: str, port: int) -> str:
    """Serve an application until the stack is closed; gives its URL.

    Raises:
        ServiceRefused: The port is taken.
    """
    runner = web.AppRunner(application, access_log=None, auto_decompress=False, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ServiceRefused(
            f"port {port} is taken", "end what listens there, or choose another with --port"
        ) from error
    address = runner.addresses[0]
    return f"http://{address[0]}:{address[1]}"


def serve(
    models: Path,
    port: int = 8080,
    host: str = "127.0.0.1",
    console: Console | None = None,
    snap_start: bool = False,
) -> None:
    """Serve all models until Ctrl-C, SIGTERM or the end of the terminal.

    Args:
        models: The folder of the models.
        port: To listen on.
        host: To listen on.
        console: Where examples, the ready line and the functions' logs are shown.
        snap_start: As in `Service`.

    Raises:
        Refused: There is no such folder, or the port is taken.
    """
    fleet = Fleet.of(Repository(models).models())
    console = console or Console()
    asyncio.run(_serve(Service(fleet, console, port, host, snap_start), fleet, console))


async def _serve(service: Service, fleet: Fleet, console: Console) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    async with service:
        for name in fleet.unbuilt:
            _say(console, f"model '{name}' has no built version and is left out: run `modelet build {name}`")
        for command in commands(fleet, service.url):
            _say(console, command)
        _say(console, f"ready {service.url}")
        await stopped.wait()


def _say(console: Console, line: str) -> None:
    """Show a line as it is: never wrapped, so that a command can be pasted."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.file.flush()
