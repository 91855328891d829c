"""Batch: files in, results out, against a bare loop of ONNX Runtime at its best batch.

Everything but S3 is the function's own code; objects are files of this machine, so that what is measured is
reading, parsing, inference, encoding and writing, and not a server that shares the processors.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import orjson
from onnx import TensorProto, helper, numpy_helper

from modelet.bench.mlserver import MLServer
from modelet.bench.sampling import Ratio, alternate, ratio
from modelet_runtime.batch.engine import Engine
from modelet_runtime.batch.flow import Flow
from modelet_runtime.batch.forms.base import Limits, Results, Source
from modelet_runtime.batch.forms.opening import open_reader, open_writer
from modelet_runtime.batch.identity import ObjectRef
from modelet_runtime.batch.objects import Bucket
from modelet_runtime.batch.options import Options
from modelet_runtime.batch.sink import SegmentStream, Sink
from modelet_runtime.batch.sizing import BatchSize
from modelet_runtime.manifest import Graph, Manifest, Resources, Signature, TensorSpec
from modelet_runtime.manifest import Source as Origin
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps import pipeline

_LAYERS = (64, 256, 256, 10)
_ROWS = 200_000
_SIZES = (32, 64, 128, 256, 512, 1024)
_FORMATS = {"npy": "npy", "parquet": "parquet", "arrow": "parquet", "jsonl": "jsonl"}
_PEER_ROWS, _PEER_ROUNDS, _PEER_SIZES = 4000, 5, (32, 256, 1024)
_COLUMNS_TARGET = 1 / 0.90
_JSONL_TARGET = 1 / 0.80


def measure(scratch: Path, rounds: int) -> list[Ratio]:
    """Compare time per row, all on one thread for the graph.

    Args:
        scratch: A folder for the files.
        rounds: Alternating rounds.
    """
    graph = _network()
    onnx.save(graph, str(scratch / "model.onnx"))
    predictor = _predictor(scratch / "model.onnx")
    rows = np.random.default_rng(0).random((_ROWS, _LAYERS[0]), dtype=np.float32)
    files = _files(rows, scratch)
    loop, best = _raw_loop(graph, rows)
    with _as_the_function_is():
        samples = alternate(
            {
                "raw us": loop,
                **{
                    f"{form} us": _end_to_end(files[form], form, predictor, best, scratch)
                    for form in _FORMATS
                },
                "parse us": _parse_only(files["jsonl"], predictor),
                "single us": _one_by_one(rows, predictor),
            },
            rounds,
        )
    title = f"batch of {_ROWS} rows through 64-256-256-10, per row"
    columns = [
        ratio(
            f"{title}: {form} file to {_FORMATS[form]} file / raw ONNX Runtime at its best batch ({best})",
            {name: samples[name] for name in (f"{form} us", "raw us")},
            lambda m, form=form: m[f"{form} us"] / m["raw us"],  # type: ignore[misc]
            target=_COLUMNS_TARGET,
        )
        for form in ("npy", "parquet", "arrow")
    ]
    lines = ratio(
        f"{title}: JSON Lines to JSON Lines / the slower of parsing alone and inference alone",
        {name: samples[name] for name in ("jsonl us", "parse us", "raw us")},
        lambda m: m["jsonl us"] / max(m["parse us"], m["raw us"]),
        target=_JSONL_TARGET,
    )
    single = ratio(
        f"{title}: JSON Lines to JSON Lines / a loop of single requests, without HTTP",
        {name: samples[name] for name in ("jsonl us", "single us")},
        lambda m: m["jsonl us"] / m["single us"],
        target=None,
    )
    end_to_end = _end_to_end(files["jsonl"], "jsonl", predictor, best, scratch)
    return [*columns, lines, single, _beside_mlserver(title, rows, end_to_end, scratch)]


def _beside_mlserver(title: str, rows: Any, end_to_end: Callable[[], float], scratch: Path) -> Ratio:
    """Rows of a file by `mlserver infer`, whose lines are whole requests, against a server of its own."""
    mlserver = MLServer.install()
    requests = [
        orjson.dumps(
            {"inputs": [{"name": "x", "shape": [1, row.size], "datatype": "FP32", "data": row.tolist()}]}
        )
        for row in rows[:_PEER_ROWS]
    ]
    file = scratch / "requests.jsonl"
    file.write_bytes(b"\n".join(requests) + b"\n")
    with mlserver.serving("network", scratch / "model.onnx", scratch, requests[0]) as port:

        def infer_us(batch_size: int) -> float:
            return mlserver.infer_s("network", port, file, batch_size) / _PEER_ROWS * 1e6

        best = min(_PEER_SIZES, key=infer_us)
        measures = {"jsonl us": end_to_end, "mlserver us": lambda: infer_us(best)}
        with _as_the_function_is():
            samples = alternate(measures, _PEER_ROUNDS, warm_up=0)
    return ratio(
        f"{title}: JSON Lines to JSON Lines / `mlserver infer`, {_PEER_ROWS} rows in batches of {best}",
        samples,
        lambda m: m["jsonl us"] / m["mlserver us"],
        target=None,
    )


def _network() -> onnx.ModelProto:
    source = np.random.default_rng(0)
    nodes, weights, last = [], [], "x"
    for number, (width, height) in enumerate(pairwise(_LAYERS)):
        values = source.standard_normal((width, height), dtype=np.float32) / width**0.5
        weights.append(numpy_helper.from_array(values, f"w{number}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{number}"], [f"h{number}"]))
        nodes.append(helper.make_node("Relu", [f"h{number}"], [f"r{number}"]))
        last = f"r{number}"
    nodes.append(helper.make_node("Softmax", [last], ["y"], axis=-1))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", _LAYERS[0]])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", _LAYERS[-1]])]
    graph = helper.make_graph(nodes, "network", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _predictor(path: Path) -> Predictor:
    x, y = TensorSpec("x", "FP32", (-1, _LAYERS[0])), TensorSpec("y", "FP32", (-1, _LAYERS[-1]))
    facts = ("network", 1, "", "cpu", Origin("onnx", "", ""), Signature((x,), (y,)))
    manifest = Manifest(*facts, (), (), (), Graph({}, {}), Resources(), (), {}, {})
    return Predictor(manifest, OrtSession(path), pipeline.build(manifest, path.parent))


def _files(rows: Any, scratch: Path) -> dict[str, Path]:
    from arro3.core import Array, Table, fixed_size_list_array  # noqa: PLC0415
    from arro3.io import write_ipc, write_parquet  # noqa: PLC0415

    files = {form: scratch / f"rows.{form}" for form in _FORMATS}
    np.save(files["npy"], rows)
    column = fixed_size_list_array(Array.from_buffer(memoryview(rows.reshape(-1))), rows.shape[1])
    table = Table.from_pydict({"x": column})
    write_parquet(table, files["parquet"], compression="snappy", max_row_group_size=50_000)
    write_ipc(table.rechunk(max_chunksize=65_536), files["arrow"])  # as Feather files have them
    lines = [orjson.dumps(row.tolist()) for row in rows[: _ROWS // 4]]
    files["jsonl"].write_bytes(b"\n".join(lines) + b"\n")
    return files


def _raw_loop(graph: onnx.ModelProto, rows: Any) -> tuple[Callable[[], float], int]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def loop(size: int) -> float:
        start_s = time.perf_counter()
        for begin in range(0, _ROWS, size):
            session.run(None, {"x": rows[begin : begin + size]})
        return (time.perf_counter() - start_s) / _ROWS * 1e6

    best = min(_SIZES, key=lambda size: min(loop(size) for _ in range(3)))
    return lambda: loop(best), best


def _end_to_end(file: Path, form: str, predictor: Predictor, size: int, scratch: Path) -> Callable[[], float]:
    reader = _reader(file, form, predictor)

    def run() -> float:
        out = _FileBucket(scratch / "results")
        sink = Sink(open_writer(_FORMATS[form], None), SegmentStream(out, str), SegmentStream(out, str))
        engine = Engine(predictor, BatchSize(size, 2**27))

        def take(results: Results) -> bool:
            sink.take(results)
            return False

        start_s = time.perf_counter()
        Flow(engine, take).run(reader.chunks(None))
        sink.results.add(sink.writer.flush(), 0)
        sink.results.close()
        return (time.perf_counter() - start_s) / sink.rows * 1e6

    return run


def _parse_only(file: Path, predictor: Predictor) -> Callable[[], float]:
    """From lines to the graph's inputs, and no further."""
    reader = _reader(file, "jsonl", predictor)

    def run() -> float:
        engine = Engine(predictor, BatchSize(1, 2**27))
        start_s, rows = time.perf_counter(), 0
        for chunk in reader.chunks(None):
            engine.prepare(chunk)
            rows += chunk.rows
        return (time.perf_counter() - start_s) / rows * 1e6

    return run


def _one_by_one(rows: Any, predictor: Predictor) -> Callable[[], float]:
    """What a client's loop over the API costs at least: a row parsed, inferred and encoded at a time."""
    bodies = [orjson.dumps(row.tolist()) for row in rows[:2000]]

    def run() -> float:
        start_s = time.perf_counter()
        for body in bodies:
            orjson.dumps(predictor.predict([orjson.loads(body)]))
        return (time.perf_counter() - start_s) / len(bodies) * 1e6

    return run


def _reader(file: Path, form: str, predictor: Predictor) -> Any:
    ref = ObjectRef("files", str(file), "", "", file.stat().st_size)
    cut = {"form": form, "compression": ""}
    media_types = predictor.pipeline.media_types
    limits = replace(Limits(), ahead=1)
    return open_reader(Source(_FileBucket(file), ref), cut, Options(), limits, ["x"], media_types)


class _FileBucket(Bucket):
    """A file of this machine in a bucket's place."""

    def __init__(self, path: Path) -> None:
        super().__init__(None, "files")
        self._path = path

    def read(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> bytes:
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read((ref.size_bytes if end is None else end) - start)

    def put(self, key: str, data: bytes) -> None:
        self._path.write_bytes(data)

    def begin_upload(self, key: str, media_type: str, metadata: Any) -> Any:
        return _FileUpload(self._path)


class _FileUpload:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.size_bytes = 0

    def add(self, data: bytes) -> None:
        self.size_bytes += self._file.write(data)

    def complete(self, *, only_new: bool) -> bool:
        self._file.close()
        return True


@contextmanager
def _as_the_function_is() -> Iterator[None]:
    """The interpreter's settings that `batch.lambda_event` makes."""
    interval_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(0.0005)
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)
        gc.set_threshold(*thresholds)
