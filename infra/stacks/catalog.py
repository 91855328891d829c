"""The catalog, which knows all models by their manifests and needs none of their stacks."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.acknowledge import acknowledge_wildcards
from infra.assets import Assets, Files
from infra.constructs.catalog_function import CatalogFunction
from infra.constructs.catalog_routes import CatalogRoutes
from infra.constructs.model_function import ARCHITECTURES
from infra.settings import StageSettings
from infra.stacks.base import StageStack, grant_basics
from infra.stacks.jobs import JobStack
from infra.stacks.shared import SharedStack

# Of a stack's name, so much is in the names that CloudFormation gives to functions, of 64 characters at most.
_OF_STACK = 24


class CatalogStack(StageStack):
    """The function and its routes on every front door.

    Attributes:
        catalog: The function.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        assets: Assets,
        archive: Files,
        architecture: str,
        shared: SharedStack,
        jobs: JobStack,
    ) -> None:
        super().__init__(scope, "catalog", settings=settings, description="index, health and OpenAPI")
        self.catalog = CatalogFunction(
            self,
            "Catalog",
            code=assets.archive(self, archive),
            architecture=ARCHITECTURES[architecture],
            environment=jobs.variables,
            settings=settings,
            key=shared.key,
        )
        grant_basics(self.catalog, key=shared.key)
        jobs.grant_tell(self.catalog.role)
        self._grant_taking_up(settings.name)
        for number, door in enumerate(shared.doors):
            CatalogRoutes(
                self,
                f"Door{number}",
                door=door,
                function=self.catalog.function,
                allow_preflight=settings.cors is not None,
            )

    def _grant_taking_up(self, stage: str) -> None:
        """Let it have a job go on whose function died, of any model of the stage."""
        functions = self.format_arn(
            service="lambda",
            resource="function",
            resource_name=stage_functions(stage),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self.catalog.role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[functions])
        )
        acknowledge_wildcards(self.catalog.role, "The functions of this stage's models.", functions)


def stage_functions(stage: str) -> str:
    """The names of the functions of a stage's models, which begin with the names of their stacks."""
    return f"{f'modelet-{stage}-model-'[:_OF_STACK]}*"
