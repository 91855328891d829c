"""Which versions take files of a bucket, and which keys are theirs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from infra.errors import ModelRefused, SettingsRefused
from infra.fleet import FleetModel, ModelVersion
from infra.settings import StageSettings
from modelet_runtime.aliases import CANARY, LIVE
from modelet_runtime.manifest import Batch, Manifest

# Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Lane:
    """The way of a version's files: from their keys to its batch function.

    Attributes:
        version: The version.
        batch: How it takes files.
    """

    version: ModelVersion
    batch: Batch

    @property
    def is_live(self) -> bool:
        """Whether keys that name no version are its own."""
        return self.version.alias == LIVE

    @property
    def part(self) -> str:
        """What tells it from the model's other lanes. That of live stays when another version gets live."""
        return LIVE if self.is_live else str(self.version.number)

    @property
    def construct_id(self) -> str:
        """The same in its stack."""
        return "Batch" if self.is_live else f"Batch{self.part}"

    @property
    def selectors(self) -> tuple[str, ...]:
        """What may stand behind `@` in a key."""
        number = str(self.version.number)
        return (self.version.alias, number) if self.version.alias in (LIVE, CANARY) else (number,)

    @property
    def prefixes(self) -> list[str]:
        """What keys begin with that are for this version."""
        model = self.version.manifest.name
        bare = [f"{model}/"] if self.is_live else []
        return [*bare, *(f"{model}@{which}/" for which in self.selectors)]

    def machine_name(self, stage: str) -> str:
        """The name of its state machine, which the function has to know before there is one."""
        return f"modelet-{stage}-{self.version.manifest.name}-{self.part}"


def lanes(model: FleetModel) -> list[Lane]:
    """The lanes of a model; none where its manifests ask for none."""
    return [
        Lane(version, version.manifest.batch)
        for version in model.versions
        if version.manifest.batch is not None
    ]


def check_batch(models: Iterable[FleetModel], settings: StageSettings) -> None:
    """Refuse what AWS would refuse.

    Raises:
        ModelRefused: A manifest asks for what Lambda or Step Functions do not give.
        SettingsRefused: The stage's name is too long for names of state machines.
    """
    for lane in (lane for model in models for lane in lanes(model)):
        check_limits(lane.version.manifest, lane.batch)
        name = lane.machine_name(settings.name)
        if len(name) > _LONGEST_NAME:
            raise SettingsRefused(
                f"{settings.name}: '{name}' is longer than the {_LONGEST_NAME} characters that a state"
                " machine's name may have: choose a shorter name for the stage"
            )


def check_limits(manifest: Manifest, batch: Batch) -> None:
    """Refuse a batch function that Lambda refuses, or that could not do a part of its work.

    Raises:
        ModelRefused: A value is outside the limits.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html and
        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    memory_mib = batch.memory_mib
    checks: Sequence[tuple[bool, str]] = (
        (memory_mib is None or 128 <= memory_mib <= 10_240, "memory_mib: Lambda has 128 to 10240"),
        # The last half minute of an invocation is kept to put things away.
        (60 <= batch.timeout_s <= 900, "timeout_s: expected 60 to 900"),
        (1 <= batch.max_concurrency <= 1000, "max_concurrency: Lambda has 1 to 1000"),
    )
    for holds, complaint in checks:
        if not holds:
            raise ModelRefused(f"{manifest.name}@{manifest.version}: batch: {complaint}")
