"""Triton with and without dynamic batching: how long 32 callers wait for a number of answers."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from modelet.bench.sampling import Ratio, alternate, ratio
from modelet.local.endpoint.installation import Installation
from modelet.local.endpoint.server import TritonServer
from modelet.triton import repository
from modelet_runtime.endpoint.wire import LENGTH, Wire
from modelet_runtime.manifest import Endpoint, Graph, Manifest, Resources, Signature, Source, TensorSpec
from modelet_runtime.protocols.media_type import MediaType
from modelet_runtime.tensor import DATATYPES, Tensor

_CALLERS = 32
_CALLS_EACH = 40
_ROUNDS = 9
_FEATURES, _HIDDEN, _CLASSES = 64, 256, 10
_SIGNATURE = Signature(
    (TensorSpec("x", "FP32", (-1, _FEATURES)),), (TensorSpec("y", "FP32", (-1, _CLASSES)),)
)
_BATCHED, _ALONE = "batched ms", "alone ms"
_HEADER = "Inference-Header-Content-Length"


def measure(installation: Installation) -> Ratio:
    """Compare a small network served with batches of up to 32 rows and row by row, in one server."""
    return asyncio.run(_measure(installation))


async def _measure(installation: Installation) -> Ratio:
    with tempfile.TemporaryDirectory(prefix="modelet-") as scratch:
        folder, graph = Path(scratch) / "models", Path(scratch) / "model.onnx"
        onnx.save(_network(), graph)
        for name, rows in ((_BATCHED, _CALLERS), (_ALONE, 1)):
            endpoint = Endpoint(max_batch_size=rows, queue_delay_us=1000)
            manifest = replace(_MANIFEST, name=name.split()[0], endpoint=endpoint)
            repository.write(folder, manifest, graph, (), "cpu")
        async with TritonServer(installation, folder) as triton, aiohttp.ClientSession() as session:
            loop = asyncio.get_running_loop()
            calls = {
                name: _caller(session, f"{triton.url}/v2/models/{name.split()[0]}/infer")
                for name in (_BATCHED, _ALONE)
            }

            def timed(name: str) -> Callable[[], float]:
                return lambda: asyncio.run_coroutine_threadsafe(_all_ms(calls[name]), loop).result()

            samples = await asyncio.to_thread(alternate, {name: timed(name) for name in calls}, _ROUNDS)
    title = f"{_CALLERS} callers of a small network on Triton: dynamic batching / row by row"
    return ratio(title, samples, lambda medians: medians[_BATCHED] / medians[_ALONE], target=0.5)


def _caller(session: aiohttp.ClientSession, url: str) -> Callable[[], Awaitable[None]]:
    row = Tensor.from_values("x", DATATYPES["FP32"], (1, _FEATURES), [0.5] * _FEATURES)
    body, media_type = Wire(_SIGNATURE).request([row], None)
    headers = {_HEADER: MediaType.parse(media_type).parameters[LENGTH]}

    async def call() -> None:
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
            answer.raise_for_status()

    return call


async def _all_ms(call: Callable[[], Awaitable[None]]) -> float:
    """Every caller makes its calls, one after the other."""

    async def caller() -> None:
        for _ in range(_CALLS_EACH):
            await call()

    started_s = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    return (time.perf_counter() - started_s) * 1000


def _network() -> onnx.ModelProto:
    """Two dense layers with random weights."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(size=(_FEATURES, _HIDDEN)),
        "w2": random.normal(size=(_HIDDEN, _CLASSES)),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", _FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", _CLASSES])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


_MANIFEST = Manifest(
    *("network", 1, "", "gpu", Source("onnx", "", ""), _SIGNATURE, (), (), (), Graph({}, {}), Resources()),
    *((), {}, {}),
)
