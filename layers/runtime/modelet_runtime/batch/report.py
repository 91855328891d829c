"""`_SUCCESS.json` and `_FAILED.json`: what a run did, for people and programs that only see the bucket."""

from collections.abc import Mapping
from typing import Any

from modelet_runtime.batch.records import Progress, Run
from modelet_runtime.manifest import Manifest

# On-demand prices of us-east-1 in USD; an estimate, without what an account gets for free.
# Source: https://aws.amazon.com/lambda/pricing/ https://aws.amazon.com/s3/pricing/
# https://aws.amazon.com/dynamodb/pricing/on-demand/
_GB_S = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
_INVOCATION = 0.20e-6
_PUT, _GET, _TABLE_WRITE = 5e-6, 0.4e-6, 0.625e-6
_READ_BYTES = 8 * 1024**2
_CALL_S = 900.0
_WRITES_PER_RUN, _WRITES_PER_PART, _BEAT_S = 3, 3, 10.0


def cost_usd(manifest: Manifest, memory_mib: int, progress: Progress) -> float:
    """What a run's compute, requests and table writes cost, about."""
    busy_s = progress.busy_ms / 1000
    compute = busy_s * memory_mib / 1024 * _GB_S[manifest.resources.architecture]
    calls = progress.parts + busy_s // _CALL_S
    gets = progress.bytes_done / _READ_BYTES + 4 * progress.parts
    puts = 3 + 2 * progress.parts
    writes = _WRITES_PER_RUN + _WRITES_PER_PART * progress.parts + busy_s / _BEAT_S
    return compute + calls * _INVOCATION + gets * _GET + puts * _PUT + writes * _TABLE_WRITE


def build(
    run: Run,
    manifest: Manifest,
    progress: Progress,
    memory_mib: int,
    *,
    state: str,
    finished_at: float,
    files: Mapping[str, Mapping[str, Any] | None],
    error: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The report of a run.

    Args:
        run: Its record.
        manifest: The model.
        progress: Its parts, summed.
        memory_mib: The function's memory.
        state: How it ended.
        finished_at: When, in epoch seconds.
        files: `results` and `errors` with key, bytes and ETag; None where there is none.
        error: Code and message, of a run that did not succeed.
    """
    busy_s = progress.busy_ms / 1000
    graph = manifest.files.get(manifest.graph.file)
    document: dict[str, Any] = {
        "state": state,
        "run": run.run,
        "model": run.model,
        "version": run.version,
        "digests": {"manifest.json": run.digest, manifest.graph.file: graph.sha256 if graph else None},
        "input": {
            "uri": f"s3://{run.bucket}/{run.key}",
            "version": run.object_version,
            "etag": run.etag,
            "bytes": run.input_bytes,
            "form": run.form,
        },
        "output": {
            "format": run.format,
            **{name: None if f is None else dict(f) for name, f in files.items()},
        },
        "options": run.options,
        "rows": progress.rows,
        "failed_rows": progress.failed_rows,
        "parts": run.parts,
        "timings": {
            "created_at": run.created_at,
            "finished_at": finished_at,
            "elapsed_s": round(finished_at - run.created_at, 3),
            "busy_s": round(busy_s, 3),
            "infer_s": round(progress.infer_ms / 1000, 3),
        },
        "rows_per_s": round(progress.rows / busy_s, 1) if busy_s else None,
        "cost_estimate_usd": round(cost_usd(manifest, memory_mib, progress), 9),
    }
    if run.retry_of:
        document["retry_of"] = run.retry_of
    if error is not None:
        document["error"] = dict(error)
    return document
