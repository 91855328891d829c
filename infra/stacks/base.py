"""What all stacks of a stage have in common."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.batch_function import BatchFunction
from infra.constructs.budget import STAGE_TAG
from infra.constructs.model_function import ModelFunction
from infra.constructs.python_function import PythonFunction
from infra.settings import StageSettings


class StageStack(cdk.Stack):
    """A stack named `modelet-<stage>-<part>`, tagged and protected as its stage says."""

    def __init__(self, scope: Construct, part: str, *, settings: StageSettings, description: str) -> None:
        super().__init__(
            scope,
            f"modelet-{settings.name}-{part}",
            env=cdk.Environment(account=settings.account, region=settings.region),
            description=f"modelet {settings.name}: {description}",
            termination_protection=settings.termination_protection,
            # A template may have a megabyte, which a REST API of many models comes near.
            suppress_template_indentation=True,
            tags={STAGE_TAG: settings.name, **settings.tags},
        )


def grant_basics(*functions: ModelFunction | BatchFunction | PythonFunction, key: kms.IKey | None) -> None:
    """Grant functions what each needs: its own log group, and the key its environment is encrypted with."""
    for function in functions:
        function.log_group.grant_write(function.role)
        if key:
            key.grant_decrypt(function.role)
