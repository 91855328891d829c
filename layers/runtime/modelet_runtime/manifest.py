"""`manifest.json`: what a built version of a model is, as the toolchain wrote it.

The manifest is the one contract between the toolchain, the functions and `infra/`. It is read at
every cold start, so plain dataclasses and `json` do it; unknown keys are refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from modelet_runtime.errors import ArtifactError

FORMAT = 1
FILE_NAME = "manifest.json"

# The two forms in which a version holds its graph; `Graph.file` says which of them a function loads.
ORT_FILE = "model.ort"
ONNX_FILE = "model.onnx"

# The mode of an endpoint whose answers come later.
ASYNC = "async"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of the graph.

    Attributes:
        name: The tensor's name in the graph.
        datatype: An Open Inference Protocol datatype, such as `FP32`.
        shape: The dimensions, -1 where an axis is variable.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """The graph's inputs and outputs, in graph order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def has_batch_axis(self) -> bool:
        """Whether the first axis of every input and output is variable, and so holds rows."""
        return all(spec.shape[:1] == (-1,) for spec in (*self.inputs, *self.outputs))


@dataclass(frozen=True, slots=True)
class Step:
    """One step before or after the graph: its name in `steps/` and its checked parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Graph:
    """Facts read from the ONNX graph.

    Attributes:
        opsets: Operator set version per domain; the default domain is `ai.onnx`.
        operators: How many nodes there are of each operator.
        precision: What the weights are stored as: `fp32`, `int8-dynamic`, ...
        file: What the function loads: `model.ort` is mapped as it was optimised at build time,
            `model.onnx` is optimised for the CPU at hand while it loads.
        formula: How the weights were made smaller, so that they can be made again; empty for `fp32`.
        grafted: The steps of the recipe that are part of the graph, by `input` and `output`, each with
            its name and parameters; for people.
    """

    opsets: Mapping[str, int]
    operators: Mapping[str, int]
    precision: str = "fp32"
    file: str = ORT_FILE
    formula: Mapping[str, Any] = field(default_factory=dict)
    grafted: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a version may be given to callers.

    Attributes:
        passed: Whether its passport says that the answers are as they should be.
        accepted: Why it is given to callers all the same; empty unless a person said so.
    """

    passed: bool = True
    accepted: str = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """What the function gets; the names and limits are Lambda's.

    Attributes:
        memory_mib: 128 to 10,240; one vCPU for each 1,769.
        timeout_s: 1 to 900; API Gateway waits 30 at most.
        ephemeral_storage_mib: 512 to 10,240, at `/tmp`.
        architecture: `x86_64` or `arm64`.
        max_concurrency: Environments at once, or None for the account's limit.
        snap_start: Whether published versions are snapshotted after init.
        provisioned_concurrency: Environments kept warm; excludes `snap_start`.
        canary_percent: Share of the requests that a new version gets first.
        canary_minutes: How long it keeps that share before it gets all; 0 shifts all at once.
        alarm_error_percent: Share of failed requests above which the alarm rings and a canary rolls back.
        alarm_p99_ms: 99th percentile of the duration above which it does; None is 80% of the timeout.
    """

    memory_mib: int = 1769
    timeout_s: int = 30
    ephemeral_storage_mib: int = 512
    architecture: str = "x86_64"
    max_concurrency: int | None = None
    snap_start: bool = True
    provisioned_concurrency: int = 0
    canary_percent: int = 10
    canary_minutes: int = 5
    alarm_error_percent: float = 1.0
    alarm_p99_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What runs the graph of a model whose target is a GPU: SageMaker with Triton.

    Attributes:
        mode: `realtime` answers while the caller waits and keeps `min_instances`; `async` queues and
            may have none.
        group: Models of the same group share an endpoint; empty gives the model one of its own.
        instance_type: SageMaker's name of the machine.
        min_instances: Kept at all times; 0 only with `async`.
        max_instances: As many as there may be under load.
        max_batch_size: Most rows that Triton puts into one run.
        preferred_batch_sizes: Numbers of rows that run at once without waiting for more.
        queue_delay_us: How long a row may wait for others.
        instances: Copies of the graph per GPU, which run side by side.
        accelerator: `none` is ONNX Runtime's CUDA provider, `tensorrt` compiles the graph with TensorRT.
        timeout_s: How long one inference may take.
        cpu_twin: Whether the function has the graph too, and answers while the endpoint cannot.
    """

    mode: str = "realtime"
    group: str = ""
    instance_type: str = "ml.g4dn.xlarge"
    min_instances: int = 1
    max_instances: int = 2
    max_batch_size: int = 64
    preferred_batch_sizes: tuple[int, ...] = ()
    queue_delay_us: int = 1000
    instances: int = 1
    accelerator: str = "none"
    timeout_s: int = 29
    cpu_twin: bool = True


@dataclass(frozen=True, slots=True)
class Batch:
    """How files of a bucket are inferred; models without it have no batch function.

    Attributes:
        rows: Rows per run of the graph to begin with: the best of the passport's curve. Larger runs are
            tried while rows get cheaper.
        failure_share: Share of failed rows above which a run stops.
        split_mib: Inputs above this are split over many functions.
        split_s: So are inputs that would take longer than this in one.
        max_concurrency: Functions that work at once.
        memory_mib: The function's memory; None is that of `resources`.
        timeout_s: The longest one invocation may take; a run goes on in the next.
    """

    rows: int | None = None
    failure_share: float = 0.1
    split_mib: int = 25
    split_s: int = 600
    max_concurrency: int = 10
    memory_mib: int | None = None
    timeout_s: int = 900


@dataclass(frozen=True, slots=True)
class Placement:
    """Who runs the graph where the recipe left that to the build, and the figures that decided.

    Attributes:
        target: `cpu` or `gpu`.
        reason: A sentence for people.
        cpu_median_ms: One run of the graph in the function's runtime.
        cpu_p95_ms: What 95% of the runs take at most.
        overhead_ms: What a request is taken to need beside that.
        deadline_ms: What a request may take.
        expected_rps: Requests a second.
        cpu_usd_hour: What the function's runs cost at that rate.
        gpu_usd_hour: What the endpoint costs, and the function's time while it waits for it.
        break_even_rps: The rate above which the endpoint costs less; None where it never does.
    """

    target: str
    reason: str
    cpu_median_ms: float
    cpu_p95_ms: float
    overhead_ms: float
    deadline_ms: int
    expected_rps: float
    cpu_usd_hour: float
    gpu_usd_hour: float
    break_even_rps: float | None


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One file of the version folder: its sha256 in hex and its size."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where the model came from.

    Attributes:
        kind: The converter that read it: `onnx`, `sklearn`, ...
        uri: As written in `model.toml`.
        sha256: Digest of the source, its hooks and its recipe: equal digests build equal bytes.
    """

    kind: str
    uri: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A built version of a model.

    Attributes:
        name: The model's name, `<domain>_<task>`; routes, functions and metrics use it.
        version: The number of the version folder.
        description: One sentence for people.
        target: `cpu` (the function runs the graph) or `gpu` (an endpoint does).
        source: Where it came from.
        signature: The graph's inputs and outputs.
        input_steps: Steps from a body as people have it to the graph's inputs.
        output_steps: Steps from the graph's outputs to an answer as people read it.
        labels: Class names by index, where the model has them.
        graph: Facts read from the graph.
        resources: What the function gets.
        layers: Option layers the steps need, such as `image`.
        files: Digest per file of the version folder; `manifest.json` and `passport.json` have none.
        tools: Version per tool that took part in the build.
        proof: Whether it may be given to callers.
        endpoint: What runs the graph where the target is `gpu`; None where it is not.
        batch: How files of a bucket are inferred; None where they are not.
        placement: Why the target is what it is, where the build decided it; None where the recipe did.
        format: The manifest's own version.
    """

    name: str
    version: int
    description: str
    target: str
    source: Source
    signature: Signature
    input_steps: tuple[Step, ...]
    output_steps: tuple[Step, ...]
    labels: tuple[str, ...]
    graph: Graph
    resources: Resources
    layers: tuple[str, ...]
    files: Mapping[str, FileDigest]
    tools: Mapping[str, str]
    proof: Proof = field(default_factory=Proof)
    endpoint: Endpoint | None = None
    batch: Batch | None = None
    placement: Placement | None = None
    format: int = FORMAT

    @property
    def is_proven(self) -> bool:
        """Whether it may be given to callers: its passport passed, or a person accepted it."""
        return self.proof.passed or bool(self.proof.accepted)

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read the manifest of a version folder.

        Raises:
            ArtifactError: It is missing, not JSON, of another format, or has unknown or missing keys.
        """
        path = folder / FILE_NAME
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path}: {error}") from error
        return cls.from_dict(document, where=str(path))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = FILE_NAME) -> "Manifest":
        """Build a manifest from its JSON form; `where` stands before the text of errors."""
        if not isinstance(document, Mapping) or document.get("format") != FORMAT:
            actual = document.get("format") if isinstance(document, Mapping) else type(document).__name__
            raise ArtifactError(f"{where}: format: expected {FORMAT}, got {actual}")
        try:
            signature = document["signature"]
            values = dict(document)
            values["source"] = _read(Source, document["source"], f"{where}: source")
            values["signature"] = Signature(
                _specs(signature["inputs"], f"{where}: signature.inputs"),
                _specs(signature["outputs"], f"{where}: signature.outputs"),
            )
            values["input_steps"] = _steps(document["input_steps"], f"{where}: input_steps")
            values["output_steps"] = _steps(document["output_steps"], f"{where}: output_steps")
            values["labels"] = tuple(document["labels"])
            values["graph"] = _read(Graph, document["graph"], f"{where}: graph")
            values["resources"] = _read(Resources, document["resources"], f"{where}: resources")
            values["layers"] = tuple(document["layers"])
            values["proof"] = _read(Proof, document.get("proof", {}), f"{where}: proof")
            values["endpoint"] = _endpoint(document.get("endpoint"), f"{where}: endpoint")
            batch = document.get("batch")
            values["batch"] = None if batch is None else _read(Batch, batch, f"{where}: batch")
            placement = document.get("placement")
            values["placement"] = (
                None if placement is None else _read(Placement, placement, f"{where}: placement")
            )
            values["files"] = {
                name: _read(FileDigest, digest, f"{where}: files.{name}")
                for name, digest in document["files"].items()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{where}: missing or malformed key {error}") from error
        return _read(cls, values, where)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; `from_dict` gives an equal manifest back."""
        return asdict(self)


def _read(kind: type[_T], document: Mapping[str, Any], where: str) -> _T:
    """Build a dataclass from a mapping, refusing unknown and missing keys."""
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise ArtifactError(f"{where}: unknown key {', '.join(unknown)}")
    missing = sorted(
        name
        for name, f in known.items()
        if name not in document and f.default is MISSING and f.default_factory is MISSING
    )
    if missing:
        raise ArtifactError(f"{where}: missing key {', '.join(missing)}")
    return kind(**document)


def _endpoint(document: Mapping[str, Any] | None, where: str) -> Endpoint | None:
    if document is None:
        return None
    sizes = tuple(document.get("preferred_batch_sizes", ()))
    return _read(Endpoint, {**document, "preferred_batch_sizes": sizes}, where)


def _specs(documents: Sequence[Mapping[str, Any]], where: str) -> tuple[TensorSpec, ...]:
    return tuple(
        _read(TensorSpec, {**document, "shape": tuple(document["shape"])}, where) for document in documents
    )


def _steps(documents: Sequence[Mapping[str, Any]], where: str) -> tuple[Step, ...]:
    return tuple(_read(Step, document, where) for document in documents)
