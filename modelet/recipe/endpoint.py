"""`[endpoint]`: what runs the graph of a model whose target is gpu, or may be."""

from typing import Literal, Self

from pydantic import Field, model_validator

from modelet.prices import INSTANCE_HOUR
from modelet.recipe.section import Section
from modelet_runtime import manifest

# SageMaker's limit of a real-time inference.
_REALTIME_S = 60
_DEFAULTS = manifest.Endpoint()
# Keys that decide whether there is an endpoint are no part of it; the manifest has them in its placement.
_EXPECTED = frozenset({"deadline_ms", "expected_rps", "instance_usd_hour"})


class Endpoint(Section):
    """What runs the graph of a model whose target is gpu, or may be: SageMaker with Triton."""

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
        default=_DEFAULTS.instance_type,
        pattern=r"^ml\.[a-z0-9]+\.[a-z0-9]+$",
        description="As SageMaker names it.",
    )
    min_instances: int = Field(
        default=_DEFAULTS.min_instances, ge=0, description="Kept at all times; 0 only with mode async."
    )
    max_instances: int = Field(
        default=_DEFAULTS.max_instances, ge=1, description="As many as there may be under load."
    )
    max_batch_size: int = Field(
        default=_DEFAULTS.max_batch_size, ge=1, description="Most rows that are put into one run."
    )
    preferred_batch_sizes: list[int] = Field(
        default_factory=list,
        examples=[[8, 32]],
        description="Numbers of rows that run without waiting for more.",
    )
    queue_delay_us: int = Field(
        default=_DEFAULTS.queue_delay_us, ge=0, description="Microseconds that a row may wait for others."
    )
    instances: int = Field(
        default=_DEFAULTS.instances, ge=1, description="Copies of the graph per GPU that run side by side."
    )
    accelerator: Literal["none", "tensorrt"] = Field(
        default="none", description="none is ONNX Runtime's CUDA provider, tensorrt compiles the graph."
    )
    timeout_s: int = Field(
        default=_DEFAULTS.timeout_s,
        ge=1,
        le=3600,
        description="How long an inference may take: at most 60 with mode realtime.",
    )

    cpu_twin: bool = Field(
        default=_DEFAULTS.cpu_twin,
        description="Whether the function has the graph too, and answers while the endpoint cannot; not for"
        " graphs that a CPU takes too long for.",
    )

    deadline_ms: int | None = Field(
        default=None,
        ge=1,
        examples=[200],
        description="What a request may take, for target auto: if the CPU takes longer, the GPU gets it.",
    )
    expected_rps: float | None = Field(
        default=None,
        gt=0,
        examples=[50],
        description="Requests a second, for target auto: what costs less at that rate gets them.",
    )
    instance_usd_hour: float | None = Field(
        default=None,
        gt=0,
        examples=[0.736],
        description="What an instance costs in an hour, for target auto; without it the list price, where"
        " that is known.",
    )

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.mode == "realtime" and (self.min_instances == 0 or self.timeout_s > _REALTIME_S):
            raise ValueError(f"mode realtime has at least 1 instance and at most {_REALTIME_S} s of time")
        if self.mode == "async" and self.group:
            raise ValueError("mode async has no group: asynchronous calls cannot name one of several models")
        if self.min_instances > self.max_instances:
            raise ValueError("min_instances is more than max_instances")
        if any(not 1 <= size <= self.max_batch_size for size in self.preferred_batch_sizes):
            raise ValueError("preferred_batch_sizes are from 1 to max_batch_size")
        return self

    @property
    def usd_hour(self) -> float | None:
        """What an instance costs in an hour, if that is known."""
        return self.instance_usd_hour or INSTANCE_HOUR.get(self.instance_type)

    def to_manifest(self) -> manifest.Endpoint:
        """The endpoint as the manifest holds it."""
        values = self.model_dump(exclude=set(_EXPECTED))
        return manifest.Endpoint(**{**values, "preferred_batch_sizes": tuple(self.preferred_batch_sizes)})
