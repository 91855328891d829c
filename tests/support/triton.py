"""A real Triton server on the CPU behind SageMaker's runtime API, and small models for it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import onnx
from aiohttp import web

from modelet.local.endpoint.installation import Installation
from modelet.local.endpoint.sagemaker import SageMakerRuntime
from modelet.local.endpoint.server import TritonServer
from modelet.local.endpoint.states import Endpoint
from modelet_runtime.endpoint import EndpointSession
from modelet_runtime.endpoint.client import SageMakerClient
from modelet_runtime.manifest import Manifest
from modelet_runtime.session import Session
from modelet_runtime.tensor import DATATYPES, Tensor
from support.graphs import add_and_scale, model, value
from support.manifests import FunctionSession, manifest, specs

_T = TypeVar("_T")


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine there and wait for it."""
        future: Future[_T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(120)

    def close(self) -> None:
        """End the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Chain:
    """What stands between a function and its graph.

    Attributes:
        loop: Where the API runs.
        triton: The server.
        api: SageMaker's runtime API.
        url: Of the API.
    """

    loop: Loop
    triton: TritonServer
    api: SageMakerRuntime
    url: str

    def session(self, of: Manifest, endpoint: str = "live", **options: Any) -> EndpointSession:
        """A session for a model, as a function has it."""
        client = SageMakerClient(endpoint, of.name, self.url)
        return EndpointSession(of.signature, client, **options)


def strings() -> onnx.ModelProto:
    """`label = names[index]` over a column of numbers: INT64[n] to BYTES[n]."""
    names = onnx.helper.make_tensor("names", onnx.TensorProto.STRING, [3], [b"no", "ja, ü".encode(), b""])
    return model(
        [onnx.helper.make_node("Gather", ["names", "index"], ["label"])],
        [value("index", onnx.TensorProto.INT64, ["n"])],
        [value("label", onnx.TensorProto.STRING, ["n"])],
        [names],
    )


def fixed() -> onnx.ModelProto:
    """`y = x` over FP32[2,3], without a batch axis."""
    return model(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        [value("x", onnx.TensorProto.FLOAT, [2, 3])],
        [value("y", onnx.TensorProto.FLOAT, [2, 3])],
    )


MODELS = {
    "add_scale": (
        manifest(
            specs(a=("FP32", -1, 2), b=("FP32", -1, 2)),
            specs(sum=("FP32", -1, 2), double=("FP32", -1, 2)),
            name="add_scale",
            version=3,
        ),
        add_and_scale(),
    ),
    "name_lookup": (
        manifest(specs(index=("INT64", -1)), specs(label=("BYTES", -1)), name="name_lookup"),
        strings(),
    ),
    "fixed_shape": (manifest(specs(x=("FP32", 2, 3)), specs(y=("FP32", 2, 3)), name="fixed_shape"), fixed()),
}


def twin() -> Session:
    """`add_scale` in this process."""

    def add(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        total = [sum(pair) for pair in zip(*(tensor.values() for tensor in inputs.values()), strict=True)]
        return [Tensor.from_values("sum", DATATYPES["FP32"], inputs["a"].shape, total)]

    return FunctionSession(MODELS["add_scale"][0].signature, add)


@contextmanager
def listening(loop: Loop, api: SageMakerRuntime) -> Iterator[str]:
    """Serve the API; gives its URL."""
    runner = web.AppRunner(api.application(), access_log=None)
    loop.run(runner.setup())
    try:
        loop.run(web.TCPSite(runner, "127.0.0.1", 0).start())
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        loop.run(runner.cleanup())


@contextmanager
def chain_over(
    installation: Installation, folder: Path, endpoints: dict[str, Endpoint] | None = None
) -> Iterator[Chain]:
    """Start the server over a repository, and the API in front of it."""
    loop = Loop()
    triton = TritonServer(installation, folder)
    loop.run(triton.__aenter__())
    try:
        names = tuple(entry.name for entry in folder.iterdir())
        found = endpoints or {"live": Endpoint("live", "", names)}
        for endpoint in found.values():
            endpoint.triton_url = triton.url
        api = SageMakerRuntime(found)
        with listening(loop, api) as url:
            yield Chain(loop, triton, api, url)
    finally:
        loop.run(triton.stop())
        loop.close()
