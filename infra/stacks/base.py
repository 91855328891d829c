"""What all stacks of a stage have in common."""

import aws_cdk as cdk
from constructs import Construct

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
            tags={STAGE_TAG: settings.name, **settings.tags},
        )


def let_write_logs(*functions: ModelFunction | PythonFunction) -> None:
    """Grant functions their own log groups, which is all that every function needs."""
    for function in functions:
        function.log_group.grant_write(function.role)
