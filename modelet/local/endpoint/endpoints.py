"""The endpoints of a service: a Triton server with the live versions of all models that are for a GPU."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from modelet.golden import Golden
from modelet.local.endpoint.installation import Installation
from modelet.local.endpoint.sagemaker import Endpoint, SageMakerRuntime
from modelet.local.endpoint.server import TritonServer
from modelet.local.process import REGION
from modelet.repository import Version
from modelet.triton import repository
from modelet.triton.config import Device
from modelet_runtime.manifest import ONNX_FILE

_GPU = Path("/dev/nvidia0")
# Any will do: boto3 refuses to call without.
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class Endpoints:
    """Runs them; an asynchronous context manager. Without a Triton server here there are none.

    Args:
        versions: The live versions of models whose target is a GPU.
        say: Told in a line what serves them.
        installation: Where the server is; found by itself if not given.
    """

    def __init__(
        self,
        versions: Sequence[Version],
        say: Callable[[str], None],
        installation: Installation | None = None,
    ) -> None:
        self._versions = versions
        self._say = say
        self._installation = installation or Installation.find()
        self._stack = AsyncExitStack()
        self._served: set[Path] = set()
        self._url = ""

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
            runtime = SageMakerRuntime(
                {
                    version.manifest.name: Endpoint(
                        version.manifest.name, triton.url, (version.manifest.name,)
                    )
                    for version in self._versions
                }
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
            "MODELET_ENDPOINT": version.manifest.name,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self._url,
            "AWS_DEFAULT_REGION": REGION,
            **_CREDENTIALS,
        }


def _device() -> Device:
    return "gpu" if _GPU.exists() else "cpu"
