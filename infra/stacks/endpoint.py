"""An endpoint that the models of a group share, deployed before them."""

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.assets import Assets
from infra.constructs.gpu_endpoint import ModelData
from infra.constructs.hosting import Hosted, Hosting
from infra.endpoints import SharedEndpoint, variant_name
from infra.fleet import ModelVersion
from infra.settings import StageSettings
from infra.stacks.base import StageStack
from infra.stacks.hosting import ASK, grant_hosting
from infra.stacks.shared import SharedStack


class EndpointStack(StageStack):
    """SageMaker's multi-model endpoint: a call names the archive of its model, and the first one fetches it.

    The archives are named by their digests, so a new version of a model changes nothing here.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        endpoint: SharedEndpoint,
        settings: StageSettings,
        assets: Assets,
        shared: SharedStack,
    ) -> None:
        group = endpoint.group.replace("_", "-")
        super().__init__(
            scope,
            f"endpoint-{group}",
            settings=settings,
            description=f"the endpoint of the group {endpoint.group}",
        )
        self._assets = assets
        bucket = assets.bucket(self)
        hosting = Hosting(
            self,
            "Shared",
            variant=variant_name(settings.name, endpoint.group),
            wanted=endpoint.wanted,
            data=ModelData(f"s3://{bucket.bucket_name}/"),
            answers=None,
            settings=settings,
            key=shared.key,
            topic=shared.topic,
        )
        grant_hosting(hosting, shared.key)
        hosting.role.add_to_policy(
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn])
        )
        self._name = self.export_value(hosting.endpoint.name)
        self._arn = self.export_value(hosting.endpoint.arn)
        self._role_name = self.export_value(hosting.role.role_name)

    def host(self, scope: Construct, version: ModelVersion) -> Hosted:
        """Let the endpoint fetch a version's archive; the permission goes and comes with the version."""
        bucket, archive = self._assets.model(scope, version.repository)
        role = iam.Role.from_role_name(scope, "Role", self._role_name)
        iam.Policy(
            scope,
            "Fetch",
            roles=[role],
            statements=[
                iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(archive)])
            ],
        )
        return Hosted(self._name, self._arn, (ASK,), archive)
