"""The endpoints of a service: a Triton server with the live versions of all models that are for a GPU."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from modelet.golden import Golden
from modelet.local.aws.cloud import Cloud
from modelet.local.aws.emulator import CREDENTIALS
from modelet.local.aws.event_queue import EventQueue, Invoke
from modelet.local.aws.names import JOBS_BUCKET
from modelet.local.endpoint.installation import Installation
from modelet.local.endpoint.sagemaker import SageMakerRuntime
from modelet.local.endpoint.server import TritonServer
from modelet.local.endpoint.states import Endpoint
from modelet.local.endpoint.storage import S3Objects
from modelet.local.endpoint.topic import Topic
from modelet.local.process import REGION
from modelet.repository import Version
from modelet.triton import repository
from modelet.triton.config import Device
from modelet_runtime.manifest import ASYNC, ONNX_FILE
from modelet_runtime.settings import ENDPOINT

_GPU = Path("/dev/nvidia0")


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """How endpoints behave here.

    Attributes:
        idle_s: Those that may have no instance go to zero after so long without a request; None keeps them.
        wake_s: How long they take from there into service.
    """

    idle_s: float | None = None
    wake_s: float = 0.0


class Endpoints:
    """Runs them; an asynchronous context manager. Without a Triton server here there are none.

    Args:
        versions: The live versions of models whose target is a GPU.
        say: Told in a line what serves them.
        cloud: S3, where asynchronous endpoints leave their answers.
        find: What invokes a function by its name; asynchronous endpoints tell theirs of answers.
        settings: How they behave.
        installation: Where the server is; found by itself if not given.

    Attributes:
        need_aws: Whether one is asynchronous, so that each of its requests becomes a job.
    """

    def __init__(
        self,
        versions: Sequence[Version],
        say: Callable[[str], None],
        cloud: Cloud,
        find: Callable[[str], Invoke],
        settings: EndpointSettings | None = None,
        installation: Installation | None = None,
    ) -> None:
        self._versions = versions
        self._say = say
        self._cloud = cloud
        self._queue = EventQueue()
        self._topic = Topic(find, self._queue)
        self._settings = settings or EndpointSettings()
        self._installation = installation or Installation.find()
        self._stack = AsyncExitStack()
        self._served: set[Path] = set()
        self._url = ""
        self.need_aws = False

    async def __aenter__(self) -> Self:
        """Start the server, if there is a model for it.

        Raises:
            ServiceRefused: The server did not come up.
        """
        if not self._versions:
            return self
        names = ", ".join(version.manifest.name for version in self._versions)
        if self._installation is None:
            self._say(f"{names}: served by the CPU twin; `make install-gpu-local` has Triton serve it")
            return self
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="modelet-")))
            for version in self._versions:
                graph, cases = version.folder / ONNX_FILE, Golden.load(version.folder).cases
                repository.write(folder, version.manifest, graph, cases, _device())
            triton = await stack.enter_async_context(TritonServer(self._installation, folder))
            found = [self._endpoint(version, triton.url) for version in self._versions]
            self.need_aws = any(endpoint.is_async for endpoint in found)
            stack.push_async_callback(self._queue.close)
            runtime = SageMakerRuntime(
                {endpoint.name: endpoint for endpoint in found}, S3Objects(self._s3), self._topic.publish
            )
            runner = web.AppRunner(runtime.application(), access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            self._url = f"http://{host}:{port}"
            self._served = {version.folder for version in self._versions}
            self._stack = stack.pop_all()
        self._say(f"{names}: served by Triton at {triton.url}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def environment(self, version: Version) -> Mapping[str, str]:
        """What a version's function needs to know of its endpoint; nothing if it has none."""
        if version.folder not in self._served:
            return {}
        return {
            ENDPOINT: version.manifest.name,
            "AWS_ENDPOINT_URL_SAGEMAKER": self._url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self._url,
            "AWS_DEFAULT_REGION": REGION,
            **CREDENTIALS,
        }

    async def _s3(self) -> Any:
        return (await self._cloud.resources()).s3

    def _endpoint(self, version: Version, triton_url: str) -> Endpoint:
        """The endpoint that `infra/` would make for a version."""
        name, about = version.manifest.name, version.manifest.endpoint
        is_async = about is not None and about.mode == ASYNC
        may_sleep = about is not None and about.min_instances == 0
        return Endpoint(
            name,
            triton_url,
            (name,),
            output=f"s3://{JOBS_BUCKET}/endpoint/out" if is_async else "",
            failures=f"s3://{JOBS_BUCKET}/endpoint/failed" if is_async else "",
            wake_s=self._settings.wake_s,
            idle_s=self._settings.idle_s if may_sleep else None,
        )


def _device() -> Device:
    return "gpu" if _GPU.exists() else "cpu"
