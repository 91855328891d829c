"""`model.toml`: what a person says about a model. Every key, its default and its explanation."""

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from modelet.errors import RecipeRefused
from modelet_runtime import manifest

FILE_NAME = "model.toml"
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_LIMIT = 48  # a function's name has 64 characters, and the stage stands before the model's

# SageMaker's limit of a real-time inference.
_REALTIME_S = 60
_DEFAULTS = manifest.Resources()
_ENDPOINT = manifest.Endpoint()
_BATCH = manifest.Batch()

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "BF16", "FP32", "FP64",
]  # fmt: skip


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Step(_Section):
    """One step of `modelet_runtime.steps`; its other keys are the step's parameters."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: str

    def to_manifest(self) -> manifest.Step:
        """The step as the manifest holds it."""
        return manifest.Step(self.name, dict(self.__pydantic_extra__ or {}))


class Model(_Section):
    """What the model is and where it comes from."""

    name: str = Field(
        max_length=NAME_LIMIT,
        description="The folder's name, <domain>_<task>: routes, functions and metrics use it.",
    )
    description: str = Field(default="", description="One sentence for people.")
    source: str = Field(
        description="An ONNX file of this folder (model.onnx), of an installed package"
        " (pkg:<package>/<path>), or a function of this folder that returns a model of any framework"
        " (train.py:build). PyTorch: also an exported program (.pt2), or weights (.safetensors, .pt, .pth)"
        " with module. Keras: a model (.keras), or weights (.weights.h5) with module. TensorFlow: the"
        " saved_model.pb of a SavedModel's folder."
    )
    module: str | None = Field(
        default=None,
        examples=["model.py:make"],
        description="A function of this folder that returns the module whose weights the source holds, or"
        " whose state dict it returns.",
    )
    unused_weights: list[str] = Field(
        default_factory=list,
        examples=[["pooler.*"]],
        description="Weights of the source that the module does not have; * stands for anything.",
    )
    target: Literal["cpu", "gpu"] = Field(
        default="cpu", description="Who runs the graph: the function itself (cpu) or a GPU endpoint (gpu)."
    )
    labels: str | list[str] = Field(
        default_factory=list,
        examples=["labels.txt"],
        description="Class names by index: a list, or a file with one per line or a JSON list.",
    )
    assets: list[str] = Field(
        default_factory=list,
        examples=[["vocabulary.txt"]],
        description="Files that hooks read, of this folder or pkg:<package>/<path>; they ship with it.",
    )
    hooks: str | None = Field(
        default=None,
        examples=["hooks.py"],
        description="A Python file with the class Hooks, for what no step does; used by the step hook.",
    )

    @field_validator("labels", mode="before")
    @classmethod
    def _check_labels(cls, value: object) -> object:
        if isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            return value
        raise ValueError("expected a file's name or a list of names")


class Steps(_Section):
    """Steps in the order in which they run."""

    steps: list[Step] = Field(default_factory=list, description="Each has a name and its parameters.")


class ExportInput(_Section):
    """One argument of a module's `forward`."""

    name: str
    datatype: Datatype
    shape: list[int | str]


class Export(_Section):
    """What a framework's model does not say itself: PyTorch modules need inputs, or return an example."""

    inputs: list[ExportInput] = Field(
        default_factory=list,
        examples=[[{"name": "token_ids", "datatype": "INT64", "shape": ["batch", "sequence"]}]],
        description="The arguments of forward, in order, with the names they get in the graph. Names in a"
        " shape are variable axes; the first should be the batch.",
    )
    outputs: list[str] = Field(
        default_factory=list,
        examples=[["embedding"]],
        description="Names of the outputs, in order. Without it the model's own.",
    )
    axes: dict[str, Annotated[int, Field(ge=2)]] = Field(
        default_factory=dict,
        examples=[{"height": 224}],
        description="How long a variable axis is in the example that is traced.",
    )
    opset: int | None = Field(
        default=None,
        ge=13,
        examples=[20],
        description="ONNX's operator set. Without it the exporter's choice.",
    )


class Golden(_Section):
    """Where the real inputs of the proof come from, and how near the artifact must be."""

    samples: str | None = Field(
        default=None,
        examples=["train.py:samples"],
        description="A function of this folder (train.py:samples) that returns a list of inputs, or a glob"
        " of files (samples/*.png) that go through the input steps. Without it: seeded random inputs.",
    )
    targets: str | None = Field(
        default=None,
        examples=["train.py:targets"],
        description="A function of this folder that returns the right answer to each of the samples, a"
        " class's number or label; accuracy is then measured against these.",
    )
    rtol: float = Field(default=1e-3, ge=0, description="Allowed relative difference from the original.")
    atol: float = Field(default=1e-4, ge=0, description="Allowed absolute difference from the original.")

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        if self.targets and not self.samples:
            raise ValueError("targets are the answers to samples, which are missing")
        return self


class Accuracy(_Section):
    """What answers may lose when the graph is made smaller."""

    metric: Literal["top1_agreement", "cosine", "max_abs_diff", "accuracy_drop"]
    limit: float | None = Field(default=None, ge=0)


class Exclude(_Section):
    """What stays in floating point."""

    nodes: list[str] = Field(default_factory=list)
    operators: list[str] = Field(default_factory=list)


class Optimize(_Section):
    """How the graph is made smaller and faster."""

    precision: Literal[
        "auto", "fp32", "fp16", "int8-dynamic", "int8-static", "int8-weights", "int4-weights"
    ] = Field(
        default="auto",
        description="What the weights are stored as: fp32, fp16, int8-dynamic, int8-static, int8-weights or"
        " int4-weights; auto measures all that fit on the samples of [golden] and takes the best of those"
        " that are within the bound. Without samples auto is fp32.",
    )
    prune: float = Field(
        default=0.0,
        ge=0,
        le=0.95,
        description="Share of each tensor's weights, the smallest ones, to set to zero: images get smaller.",
    )
    calibration: Literal["auto", "minmax", "percentile", "entropy", "mse"] = Field(
        default="auto",
        description="How int8-static finds the ranges of activations: minmax, percentile, entropy or mse;"
        " auto tries them all.",
    )
    calibration_samples: int = Field(
        default=64, ge=1, description="How many samples calibrate; the others judge."
    )
    percentile: float = Field(
        default=99.99, ge=90, lt=100, description="How much of an activation calibration percentile keeps."
    )
    accuracy: Accuracy | None = Field(
        default=None,
        examples=[{"metric": "top1_agreement", "limit": 0.99}],
        description="What answers may lose: top1_agreement and cosine with the original's at least limit,"
        " max_abs_diff from them or accuracy_drop against the targets at most. Without it what suits the"
        " outputs.",
    )
    exclude: Exclude = Field(
        default_factory=Exclude,
        examples=[{"nodes": ["head_*"], "operators": ["Gemm"]}],
        description="What stays in floating point: nodes by name, with * and ?, and operators.",
    )
    budget_s: int = Field(default=60, ge=1, description="Seconds after which no further candidate is begun.")


class Resources(_Section):
    """What the function gets; the names and limits are Lambda's."""

    memory_mib: int = Field(
        default=_DEFAULTS.memory_mib, ge=128, le=10240, description="128 to 10240; one vCPU for each 1769."
    )
    timeout_s: int = Field(
        default=_DEFAULTS.timeout_s, ge=1, le=900, description="1 to 900; API Gateway waits 30 at most."
    )
    ephemeral_storage_mib: int = Field(
        default=_DEFAULTS.ephemeral_storage_mib, ge=512, le=10240, description="512 to 10240, at /tmp."
    )
    architecture: Literal["x86_64", "arm64"] = Field(
        default="x86_64", description="x86_64 or arm64, which costs 20% less."
    )
    max_concurrency: int | None = Field(
        default=None, ge=1, examples=[10], description="Environments at once; without it the account's limit."
    )
    snap_start: bool = Field(
        default=_DEFAULTS.snap_start, description="Whether published versions are snapshotted after init."
    )
    provisioned_concurrency: int = Field(
        default=_DEFAULTS.provisioned_concurrency,
        ge=0,
        description="Environments kept warm; needs snap_start = false.",
    )
    canary_percent: int = Field(
        default=_DEFAULTS.canary_percent,
        ge=1,
        le=99,
        description="Share of the requests that a new version gets first.",
    )
    canary_minutes: int = Field(
        default=_DEFAULTS.canary_minutes,
        ge=0,
        le=2880,
        description="How long it keeps that share before it gets all; 0 shifts all at once.",
    )
    alarm_error_percent: float = Field(
        default=_DEFAULTS.alarm_error_percent,
        ge=0,
        le=100,
        description="Share of failed requests above which the alarm rings and a canary rolls back.",
    )
    alarm_p99_ms: int | None = Field(
        default=None,
        ge=1,
        examples=[500],
        description="99th percentile of the duration above which it does; without it 80% of the timeout.",
    )

    @model_validator(mode="after")
    def _check_warm_start(self) -> Self:
        if self.snap_start and self.provisioned_concurrency:
            raise ValueError("provisioned_concurrency and snap_start exclude each other on Lambda")
        return self

    def to_manifest(self) -> manifest.Resources:
        """The resources as the manifest holds them."""
        return manifest.Resources(**self.model_dump())


class Endpoint(_Section):
    """What runs the graph of a model whose target is gpu: SageMaker with Triton."""

    mode: Literal["realtime", "async"] = Field(
        default="realtime",
        description="realtime answers while the caller waits and costs all the time; async queues requests as"
        " jobs and may go to zero.",
    )
    group: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9]*(_[a-z0-9]+)*)?$",
        examples=["vision"],
        description="Models of the same group share an endpoint; without it the model has its own.",
    )
    instance_type: str = Field(
        default=_ENDPOINT.instance_type,
        pattern=r"^ml\.[a-z0-9]+\.[a-z0-9]+$",
        description="As SageMaker names it.",
    )
    min_instances: int = Field(
        default=_ENDPOINT.min_instances, ge=0, description="Kept at all times; 0 only with mode async."
    )
    max_instances: int = Field(
        default=_ENDPOINT.max_instances, ge=1, description="As many as there may be under load."
    )
    max_batch_size: int = Field(
        default=_ENDPOINT.max_batch_size, ge=1, description="Most rows that are put into one run."
    )
    preferred_batch_sizes: list[int] = Field(
        default_factory=list,
        examples=[[8, 32]],
        description="Numbers of rows that run without waiting for more.",
    )
    queue_delay_us: int = Field(
        default=_ENDPOINT.queue_delay_us, ge=0, description="Microseconds that a row may wait for others."
    )
    instances: int = Field(
        default=_ENDPOINT.instances, ge=1, description="Copies of the graph per GPU that run side by side."
    )
    accelerator: Literal["none", "tensorrt"] = Field(
        default="none", description="none is ONNX Runtime's CUDA provider, tensorrt compiles the graph."
    )
    timeout_s: int = Field(
        default=_ENDPOINT.timeout_s,
        ge=1,
        le=3600,
        description="How long an inference may take: at most 60 with mode realtime.",
    )

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.mode == "realtime" and (self.min_instances == 0 or self.timeout_s > _REALTIME_S):
            raise ValueError(f"mode realtime has at least 1 instance and at most {_REALTIME_S} s of time")
        if self.min_instances > self.max_instances:
            raise ValueError("min_instances is more than max_instances")
        if any(not 1 <= size <= self.max_batch_size for size in self.preferred_batch_sizes):
            raise ValueError("preferred_batch_sizes are from 1 to max_batch_size")
        return self

    def to_manifest(self) -> manifest.Endpoint:
        """The endpoint as the manifest holds it."""
        values = self.model_dump()
        return manifest.Endpoint(**{**values, "preferred_batch_sizes": tuple(self.preferred_batch_sizes)})


class Batch(_Section):
    """How files of a bucket are inferred, by a function of its own."""

    enabled: bool = Field(default=False, description="Whether the model has a batch function.")
    rows: int | None = Field(
        default=None,
        ge=1,
        examples=[64],
        description="Rows per run of the graph to begin with; without it what the build measures as best.",
    )
    failure_share: float = Field(
        default=_BATCH.failure_share, ge=0, le=1, description="Share of failed rows above which a run stops."
    )
    split_mib: int = Field(
        default=_BATCH.split_mib, ge=5, description="Inputs above this are split over many functions."
    )
    split_s: int = Field(
        default=_BATCH.split_s, ge=10, description="So are inputs that would take longer than this in one."
    )
    max_concurrency: int = Field(
        default=_BATCH.max_concurrency, ge=2, le=1000, description="Functions that work at once."
    )
    memory_mib: int | None = Field(
        default=None,
        ge=512,
        le=10240,
        examples=[3538],
        description="The batch function's memory; without it that of [resources].",
    )
    timeout_s: int = Field(
        default=_BATCH.timeout_s,
        ge=60,
        le=900,
        description="The longest one invocation may take; a run goes on in the next.",
    )

    def to_manifest(self) -> manifest.Batch:
        """The settings as the manifest holds them."""
        return manifest.Batch(**self.model_dump(exclude={"enabled"}))


class Recipe(_Section):
    """A whole `model.toml`."""

    model: Model
    input: Steps = Field(default_factory=Steps)
    output: Steps = Field(default_factory=Steps)
    export: Export = Field(default_factory=Export)
    golden: Golden = Field(default_factory=Golden)
    optimize: Optimize = Field(default_factory=Optimize)
    resources: Resources = Field(default_factory=Resources)
    endpoint: Endpoint = Field(default_factory=Endpoint)
    batch: Batch = Field(default_factory=Batch)

    @model_validator(mode="after")
    def _check_samples(self) -> Self:
        wanted = self.optimize
        if self.golden.samples is None and (wanted.precision not in {"auto", "fp32"} or wanted.prune):
            raise ValueError(
                "optimize: what that loses can only be measured on real inputs: name them with samples in"
                " [golden]"
            )
        if wanted.accuracy and wanted.accuracy.metric == "accuracy_drop" and not self.golden.targets:
            raise ValueError("optimize.accuracy: accuracy_drop needs the right answers: targets in [golden]")
        return self

    @classmethod
    def load(cls, folder: Path) -> "Recipe":
        """Read a model folder's `model.toml`.

        Raises:
            RecipeRefused: It is missing, not TOML, or has an unknown key or a wrong value.
        """
        path = folder / FILE_NAME
        try:
            document = tomllib.loads(path.read_text())
        except FileNotFoundError as error:
            raise RecipeRefused(f"{path} is missing", "make it with `modelet add`") from error
        except (OSError, ValueError) as error:
            raise RecipeRefused(f"{path}: {error}") from error
        recipe = cls.from_dict(document, where=str(path))
        if recipe.model.name != folder.resolve().name:
            raise RecipeRefused(
                f"{path}: model.name: expected '{folder.resolve().name}', the folder's name,"
                f" got '{recipe.model.name}'"
            )
        return recipe

    @classmethod
    def from_dict(cls, document: dict[str, Any], where: str = FILE_NAME) -> "Recipe":
        """Check a parsed `model.toml`; `where` stands before the text of errors.

        Raises:
            RecipeRefused: A key is unknown or missing, or its value is wrong.
        """
        try:
            recipe = cls.model_validate(document)
        except ValidationError as error:
            raise RecipeRefused(f"{where}: {_first(error)}") from error
        check_name(recipe.model.name, f"{where}: model.name")
        return recipe

    def canonical(self) -> bytes:
        """The recipe without comments, order and defaults: equal bytes mean the same recipe."""
        document = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def check_name(name: str, where: str) -> None:
    """Refuse a model's name that cannot be a folder, a route and part of a function's name.

    Raises:
        RecipeRefused: It is not lower-case words joined by underscores, or too long.
    """
    if not NAME.fullmatch(name) or len(name) > NAME_LIMIT:
        raise RecipeRefused(
            f"{where}: expected <domain>_<task> in lower-case letters, digits and underscores,"
            f" {NAME_LIMIT} characters at most, got '{name}'"
        )


def _first(error: ValidationError) -> str:
    """The first of pydantic's complaints as `key: what is wrong`."""
    complaint = error.errors()[0]
    key = ""
    if not complaint["loc"]:  # what two sections have to do with each other names its keys itself
        return complaint["msg"].removeprefix("Value error, ")
    for part in complaint["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    if complaint["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if complaint["type"] == "missing":
        return f"{key}: missing key"
    text = complaint["msg"].removeprefix("Value error, ").removeprefix("Input ")
    actual = "" if isinstance(complaint["input"], dict) else f", got {complaint['input']!r}"
    return f"{key}: {text}{actual}"
