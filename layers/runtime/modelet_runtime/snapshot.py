"""Lambda SnapStart: what is done once before the snapshot, and in each environment that starts from it.

All environments of a version wake up with one and the same memory. So before the snapshot everything is
loaded, run and counted that a first request would otherwise wait for; and after a restore nothing is left
that only one environment may have: no state of a random generator, no time of the init, no counter.

A model's `hooks.py` that holds a connection or a generator of its own registers with the same package,
`snapshot_restore_py`. Its callables run before these before the snapshot, and after these after a restore.

Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

import gc
import random
import sys
from collections.abc import Iterator
from math import prod

import orjson
from snapshot_restore_py import register_after_restore, register_before_snapshot

from modelet_runtime.http.application import Application
from modelet_runtime.http.messages import JSON, Request
from modelet_runtime.http.open_inference import LENGTH_HEADER
from modelet_runtime.ort.lane import settle_deadlines
from modelet_runtime.predictor import Predictor
from modelet_runtime.telemetry import Telemetry
from modelet_runtime.tensor import DATATYPES

# A version has two minutes and more until its snapshot is taken, but nobody waits for a graph like that.
_WARM_UP_S = 30.0
# More numbers than these are over Lambda's limit for a request in JSON anyway.
_MOST_IN_JSON = 1_000_000
# What an empty string takes in the binary form: its length.
_EMPTY_BYTES = 4


class Snapshot:
    """Registers with the runtime client, which calls `before` and `after`.

    Args:
        may_infer: Whether the graph runs here; an endpoint is not woken to warm a function up, and no
            connection to it goes into the snapshot.
    """

    def __init__(self, may_infer: bool = True) -> None:
        self._may_infer = may_infer
        self._predictor: Predictor | None = None
        self._telemetry: Telemetry | None = None
        register_before_snapshot(self.before)
        register_after_restore(self.after)

    def cover(self, predictor: Predictor, telemetry: Telemetry) -> None:
        """Name what goes into the snapshot."""
        self._predictor, self._telemetry = predictor, telemetry

    def before(self) -> None:
        """Ask in every protocol once, then forget that anybody did."""
        assert self._predictor is not None
        assert self._telemetry is not None
        application = Application(self._predictor)
        for request in warm_up_requests(self._predictor, self._may_infer):
            application(request)  # whatever it answers: a body that is refused has loaded what refuses it
        self._predictor.statistics.clear()
        self._telemetry.report_init()
        settle_deadlines()
        # What is there stays there: the collector neither visits it again nor dirties its pages, each of
        # which a restored environment would have to load.
        gc.collect()
        gc.freeze()

    def after(self) -> None:
        """Make this environment one of its own."""
        assert self._telemetry is not None
        random.seed()
        # The global generator of NumPy, if a model's hooks brought it.
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        self._telemetry.on_restore()


def warm_up_requests(predictor: Predictor, may_infer: bool = True) -> Iterator[Request]:
    """One row of zeros in each protocol, and an empty body of each media type the model takes."""
    name, specs = predictor.manifest.name, predictor.manifest.signature.inputs
    infer = f"/v2/models/{name}/infer"
    yield Request("GET", f"/v2/models/{name}")
    if not may_infer:
        return
    rows = [(spec, tuple(1 if size == -1 else size for size in spec.shape)) for spec in specs]
    inputs = [{"name": spec.name, "datatype": spec.datatype, "shape": shape} for spec, shape in rows]
    sizes = [prod(shape) * (DATATYPES[spec.datatype].size or _EMPTY_BYTES) for spec, shape in rows]
    binary = [
        {**each, "parameters": {"binary_data_size": size}} for each, size in zip(inputs, sizes, strict=True)
    ]
    head = orjson.dumps({"inputs": binary, "parameters": {"binary_data_output": True}})
    yield _post(infer, head + bytes(sum(sizes)), "application/octet-stream", str(len(head)))
    if sum(prod(shape) for _, shape in rows) <= _MOST_IN_JSON:
        data = {spec.name: _zeros(spec.datatype, shape) for spec, shape in rows}
        document = {"inputs": [{**each, "data": data[str(each["name"])]} for each in inputs]}
        yield _post(infer, orjson.dumps(document), JSON)
        yield _post(f"/v1/models/{name}:predict", orjson.dumps({"inputs": data}), JSON)
    for media_type in predictor.pipeline.media_types:
        yield _post(f"/models/{name}/predict", b"", media_type.replace("*", "png"))


def _post(path: str, body: bytes, media_type: str, head_bytes: str | None = None) -> Request:
    headers = {"content-type": media_type} | ({LENGTH_HEADER: head_bytes} if head_bytes else {})
    return Request("POST", path, headers, body, remaining_s=_WARM_UP_S)


def _zeros(datatype: str, shape: tuple[int, ...]) -> object:
    """A nested list, whose rows are one and the same."""
    nested: object = {"BYTES": "", "BOOL": False}.get(datatype, 0)
    for size in reversed(shape):
        nested = [nested] * size
    return nested
