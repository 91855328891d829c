"""The stages, and the only place of `infra/` that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import replace

from infra.errors import SettingsRefused
from infra.settings import BatchStorage, StageSettings, Throttle

# A stage for work costs nothing while nobody calls it: whatever is billed by the month is off.
DEV = StageSettings(
    name="dev",
    throttle=Throttle(rate_per_s=20, burst=40),
    canary=False,
    snap_start=False,
    alarms=False,
    dashboards=False,
    batch=BatchStorage(point_in_time_recovery=False),
    log_retention_days=7,
)

PROD = StageSettings(
    name="prod",
    log_retention_days=90,
    scan_images=True,
    termination_protection=True,
    retain_data=True,
)

STAGES: Mapping[str, StageSettings] = {stage.name: stage for stage in (DEV, PROD)}


def stage(name: str, environ: Mapping[str, str] = os.environ) -> StageSettings:
    """The settings of a stage, in the account and region of the CLI's credentials unless it names its own.

    Raises:
        SettingsRefused: There is no such stage.
    """
    settings = STAGES.get(name)
    if settings is None:
        raise SettingsRefused(f"there is no stage '{name}': infra/config.py has {', '.join(STAGES)}")
    _check_no_loop(settings)
    return replace(
        settings,
        account=settings.account or environ.get("CDK_DEFAULT_ACCOUNT"),
        region=settings.region or environ.get("CDK_DEFAULT_REGION"),
    )


def _check_no_loop(settings: StageSettings) -> None:
    """Refuse results that another stage would take for inputs."""
    output = settings.batch.output_bucket
    for other in STAGES.values():
        if output and output == other.batch.input_bucket:
            raise SettingsRefused(
                f"{settings.name}: batch: output_bucket '{output}' is the input_bucket of {other.name}, which"
                " would infer every result"
            )


def called_by_cli(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the CDK CLI runs the app, which then says where the assembly goes and what is on the screen."""
    return "CDK_OUTDIR" in environ
