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
from modelet.local.aws.batches import Batches, BatchSettings
from modelet.local.aws.cloud import Cloud
from modelet.local.aws.event_queue import Invoke
from modelet.local.aws.wishes import needs_aws, until_up
from modelet.local.deployment import Deployment
from modelet.local.endpoint.endpoints import Endpoints, EndpointSettings
from modelet.local.examples import batch_commands, commands
from modelet.local.fleet import Fleet
from modelet.local.function import Function
from modelet.local.gateway import Gateway
from modelet.local.logs import LogView
from modelet.local.metrics import ServiceMetrics
from modelet.local.process import FunctionSpec
from modelet.local.router import Router
from modelet.repository import Repository


class Service:
    """The gateway with the functions of all models behind it; an asynchronous context manager.

    Args:
        repository: The models.
        console: Where the functions' logs are shown.
        port: To listen on; 0 takes a free one.
        host: To listen on.
        snap_start: Whether functions whose manifest asks for SnapStart go through snapshot and restore.
        access_log: Whether each request is shown, with the version and alias that answered.
        batch: How files of buckets are inferred.
        webhook: Who hears of jobs that have ended.
        endpoint: How the endpoints of models for a GPU behave.

    Attributes:
        url: Where it listens.
    """

    def __init__(
        self,
        repository: Repository,
        console: Console,
        port: int = 8080,
        host: str = "127.0.0.1",
        snap_start: bool = False,
        access_log: bool = False,
        batch: BatchSettings | None = None,
        webhook: str | None = None,
        endpoint: EndpointSettings | None = None,
    ) -> None:
        self._repository = repository
        self._console = console
        self._port = port
        self._host = host
        self._snap_start = snap_start
        self._access_log = access_log
        self._batch = batch
        self._webhook = webhook
        self._endpoint = endpoint
        self._stack = AsyncExitStack()
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen; functions are started when they are first called, or published first with SnapStart.

        Raises:
            ServiceRefused: The port is taken.
        """
        async with AsyncExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="modelet-")))
            metrics = ServiceMetrics()
            logs = LogView(self._console, metrics)
            fleet = Fleet.of(self._repository.models())
            cloud = Cloud(self._batch.port if self._batch else None, self._find, self._webhook)
            await stack.enter_async_context(cloud)
            endpoints = await stack.enter_async_context(
                Endpoints(fleet.for_gpu, self.say, cloud, self._find, self._endpoint)
            )

            def start(spec: FunctionSpec) -> Function:
                return Function(spec, scratch, logs, metrics)

            deployment = Deployment(
                self._repository,
                scratch,
                start,
                self.say,
                self._snap_start,
                endpoints.environment,
                cloud.environment,
            )
            self._deployment = deployment

            async def prepare(request: web.Request) -> None:
                if endpoints.need_aws or needs_aws(request):
                    await until_up(cloud.resources)

            gateway = Gateway(
                Router(deployment),
                deployment.function,
                metrics,
                access_log=logs if self._access_log else None,
                prepare=prepare,
            )
            self.url = await listen(stack, gateway.application(), self._host, self._port)
            batches = Batches(self._repository, cloud, start, self.say, self._on_batches_ready, self._batch)
            self._batches = batches
            await stack.enter_async_context(batches)
            stack.push_async_callback(deployment.close)
            await deployment.publish()
            self._stack = stack.pop_all()
        return self

    def _find(self, name: str) -> Invoke:
        """What invokes a function, by its name at Lambda."""
        try:
            function = self._deployment.named(name)
        except KeyError:
            function = self._batches.named(name)

        async def invoke(event: bytes, qualifier: str, request_id: str) -> bytes:
            return await function.invoke(event, qualifier, request_id=request_id)

        return invoke

    def _on_batches_ready(self, url: str) -> None:
        for line in batch_commands(Fleet.of(self._repository.models()), url):
            self.say(line)

    def say(self, line: str) -> None:
        """Show a line as it is: never wrapped, so that a command can be pasted."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._console.file.flush()

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
    access_log: bool = False,
    batch: BatchSettings | None = None,
    webhook: str | None = None,
    endpoint: EndpointSettings | None = None,
) -> None:
    """Serve all models until Ctrl-C, SIGTERM or the end of the terminal.

    Args:
        models: The folder of the models.
        port: To listen on.
        host: To listen on.
        console: Where examples, the ready line and the functions' logs are shown.
        snap_start: As in `Service`.
        access_log: As in `Service`.
        batch: As in `Service`.
        webhook: As in `Service`.
        endpoint: As in `Service`.

    Raises:
        Refused: There is no such folder, or the port is taken.
    """
    repository = Repository(models)
    fleet = Fleet.of(repository.models())
    service = Service(
        repository, console or Console(), port, host, snap_start, access_log, batch, webhook, endpoint
    )
    asyncio.run(_serve(service, fleet))


async def _serve(service: Service, fleet: Fleet) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    async with service:
        for line in (*fleet.troubles, *commands(fleet, service.url), f"ready {service.url}"):
            service.say(line)
        await stopped.wait()
