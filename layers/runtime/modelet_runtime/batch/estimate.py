"""Whether an input is too big for one function: by its size, or by how long its first rows take."""

from time import perf_counter

from modelet_runtime.batch.engine import Engine, rows_between
from modelet_runtime.batch.forms.base import Chunk, Source
from modelet_runtime.batch.forms.opening import open_reader
from modelet_runtime.batch.options import Options
from modelet_runtime.batch.planner import Input
from modelet_runtime.batch.sizing import BatchSize
from modelet_runtime.batch.worker import Surroundings

# What one part should take: long enough to be worth a call, short enough to be lost.
_PART_S = 120.0
# The plan is one JSON document, and Step Functions takes 10,000 children at once.
_MOST_PARTS = 1000
_LEAST_BYTES = 64 * 1024
_TRIED_ROWS = 8


def part_bytes(around: Surroundings, source: Source, found: Input, options: Options) -> int | None:
    """How large the parts of an input should be; None if one function does it all.

    Raises:
        RunFailed: The input cannot be read.
    """
    batch = around.predictor.manifest.batch
    split_bytes = (batch.split_mib if batch else 25) * 1024**2
    split_s = batch.split_s if batch else 600
    size = source.ref.size_bytes
    byte_s = _seconds_per_byte(around, source, found, options)
    if size <= split_bytes and size * byte_s <= split_s:
        return None
    wanted = min(split_bytes, int(_PART_S / byte_s) if byte_s else split_bytes)
    return max(wanted, size // _MOST_PARTS, _LEAST_BYTES)


def _seconds_per_byte(around: Surroundings, source: Source, found: Input, options: Options) -> float:
    """Infer the first few rows and see."""
    manifest = around.predictor.manifest
    names = [] if manifest.input_steps else [spec.name for spec in manifest.signature.inputs]
    reader = open_reader(
        source, found.slice(), options, around.limits, names, around.predictor.pipeline.media_types
    )
    chunk = next(iter(reader.chunks(None)), None)
    if chunk is None or not chunk.rows or not chunk.bytes_done:
        return 0.0
    some = _first_rows(chunk)
    engine = Engine(around.predictor, BatchSize(some.rows, 2**30))
    work = engine.prepare(some)
    engine.infer(work)  # the first run allocates
    started_s = perf_counter()
    engine.infer(work)
    row_bytes = chunk.bytes_done / (chunk.first + chunk.rows)
    return (perf_counter() - started_s) / some.rows / row_bytes


def _first_rows(chunk: Chunk) -> Chunk:
    rows = min(_TRIED_ROWS, chunk.rows)
    if chunk.values is not None:
        return Chunk(0, rows, chunk.values[:rows], None, chunk.refer)
    assert chunk.columns is not None
    columns = {name: rows_between(tensor, 0, rows) for name, tensor in chunk.columns.items()}
    return Chunk(0, rows, None, columns, chunk.refer)
