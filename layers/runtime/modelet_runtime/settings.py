"""The only place of the runtime that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# One vCPU is credited for each 1,769 MiB.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MIB_PER_VCPU = 1769
# The variable that names a function's endpoint.
ENDPOINT = "MODELET_ENDPOINT"


@dataclass(frozen=True, slots=True)
class JobsSettings:
    """Where requests go that are answered later.

    Attributes:
        table: The DynamoDB table of jobs.
        bucket: The bucket of requests, results and uploads.
        webhook: A URL that hears of every job that has ended.
        kept_days: How long jobs are known; the bucket keeps their results as long.
    """

    table: str
    bucket: str
    webhook: str | None = None
    kept_days: int = 7

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "JobsSettings | None":
        """Read `MODELET_JOBS_*`; None where there is no table or no bucket."""
        table, bucket = environ.get("MODELET_JOBS_TABLE"), environ.get("MODELET_JOBS_BUCKET")
        if not (table and bucket):
            return None
        webhook, kept_days = environ.get("MODELET_JOBS_WEBHOOK"), environ.get("MODELET_JOBS_KEPT_DAYS", "7")
        return cls(table, bucket, webhook or None, int(kept_days))


@dataclass(frozen=True, slots=True)
class Settings:
    """How one function runs.

    Attributes:
        model_dir: The version folder of the model the function serves.
        memory_mib: The function's memory, which decides its share of CPU.
        threads: Threads that run the graph; by default what the memory pays for, never the
            visible CPUs, of which Lambda shows more than it credits.
        verify_digests: Whether the model files' sha256 are checked at cold start.
        function_name: As Lambda names it.
        arena: Whether ONNX Runtime keeps memory between runs.
        spinning: Whether idle threads of ONNX Runtime spin, which burns CPU credits.
        library: ONNX Runtime's C library, if not the one of the `onnxruntime` package.
        snap_start: Whether a snapshot is taken of the initialised function, and started from.
        endpoint: The SageMaker endpoint that runs the graph; None runs it in the function.
        endpoint_model: The model's name on an endpoint that has several.
        jobs: Where requests go that are answered later; None answers all at once.
    """

    model_dir: Path
    memory_mib: int
    threads: int
    verify_digests: bool
    function_name: str
    arena: bool = True
    spinning: bool = False
    library: Path | None = None
    snap_start: bool = False
    endpoint: str | None = None
    endpoint_model: str | None = None
    jobs: JobsSettings | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read `MODELET_*` and what Lambda sets for every function."""
        memory_mib = int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MIB_PER_VCPU))
        return cls(
            model_dir=Path(environ.get("MODELET_MODEL_DIR", "/opt/model")),
            memory_mib=memory_mib,
            threads=int(environ.get("MODELET_THREADS", max(1, memory_mib // MIB_PER_VCPU))),
            verify_digests=environ.get("MODELET_VERIFY_DIGESTS", "1") != "0",
            function_name=environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"),
            arena=environ.get("MODELET_ARENA", "1") != "0",
            spinning=environ.get("MODELET_SPINNING", "0") != "0",
            library=Path(environ["MODELET_ORT_LIBRARY"]) if "MODELET_ORT_LIBRARY" in environ else None,
            snap_start=environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start",
            endpoint=environ.get(ENDPOINT),
            endpoint_model=environ.get("MODELET_ENDPOINT_MODEL"),
            jobs=JobsSettings.from_environment(environ),
        )


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """How the catalog function runs.

    Attributes:
        index: A JSON file with the manifests of all versions: `{"models": [manifest, ...]}`.
        authorization: How the front door knows callers: `iam`, `jwt`, `api-key`; nothing where all may call.
        jobs: Where jobs and uploads are; None where there are none.
    """

    index: Path
    authorization: tuple[str, ...] = ()
    jobs: JobsSettings | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "CatalogSettings":
        """Read `MODELET_INDEX`, by default a file beside the handlers, `MODELET_AUTHORIZATION` and jobs'."""
        index = Path(environ.get("MODELET_INDEX", "/var/task/index.json"))
        authorization = tuple(environ.get("MODELET_AUTHORIZATION", "").split())
        return cls(index, authorization, JobsSettings.from_environment(environ))
