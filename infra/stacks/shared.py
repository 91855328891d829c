"""What the models of a stage share, deployed first: the APIs and what decides who may call."""

import aws_cdk as cdk
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.assets import Assets, Files
from infra.constructs.alarm_topic import AlarmTopic
from infra.constructs.api_keys import ApiKeyStore
from infra.constructs.budget import MonthlyBudget
from infra.constructs.encryption import TABLE_KEY_ACTIONS, CustomerKey
from infra.constructs.http_api import HttpDoor
from infra.constructs.image_scanning import ImageScanning
from infra.settings import ApiKeys, StageSettings
from infra.stacks.base import StageStack, grant_basics


class SharedStack(StageStack):
    """The front doors without their stages, keys, the topic of alarms.

    Attributes:
        key: The stage's own KMS key, if it has one.
        topic: Where alarms go, if there are any.
        deployments: CodeDeploy's application, if new versions are shifted in.
        doors: The HTTP APIs; none where the front door is a REST API.
    """

    def __init__(
        self, scope: Construct, *, settings: StageSettings, assets: Assets, authorizer: Files
    ) -> None:
        super().__init__(scope, "shared", settings=settings, description="what all models share")
        self.key: kms.IKey | None = None
        if settings.customer_key:
            self.key = CustomerKey(self, "Encryption", retain=settings.retain_data).key
        self.topic: sns.ITopic | None = None
        if settings.alarms:
            self.topic = AlarmTopic(self, "Alarms", emails=settings.alarm_emails, key=self.key).topic
        self.deployments: codedeploy.ILambdaApplication | None = None
        if settings.canary:
            self.deployments = codedeploy.LambdaApplication(self, "Deployments")
        if settings.scan_images:
            ImageScanning(self, "Scanning")
        if settings.budget:
            MonthlyBudget(self, "Cost", budget=settings.budget, stage=settings.name)
        store = self._key_store(settings, assets, authorizer)
        self.doors: list[HttpDoor] = []
        if settings.front_door == "http":
            self.doors = [
                HttpDoor(
                    self,
                    f"Door{number}",
                    settings=settings,
                    key_authorizer=store.authorizer.function if store else None,
                )
                for number in range(settings.front_doors)
            ]
        if store:
            self._let_decide(store)

    def _key_store(self, settings: StageSettings, assets: Assets, authorizer: Files) -> ApiKeyStore | None:
        if not isinstance(settings.authorization, ApiKeys):
            return None
        return ApiKeyStore(
            self, "ApiKeys", code=assets.archive(self, authorizer), settings=settings, key=self.key
        )

    def _let_decide(self, store: ApiKeyStore) -> None:
        cdk.CfnOutput(self, "KeysTable", value=store.keys.table_name, description="Where API keys are kept")
        grant_basics(store.authorizer, key=self.key)
        store.keys.grant(store.authorizer.role, "dynamodb:GetItem")
        store.usage.grant(store.authorizer.role, "dynamodb:UpdateItem")
        if self.key:
            self.key.grant(store.authorizer.role, *TABLE_KEY_ACTIONS)
        for number, door in enumerate(self.doors):
            store.authorizer.function.add_permission(
                f"Door{number}",
                principal=iam.ServicePrincipal("apigateway.amazonaws.com"),
                source_arn=door.authorizer_arn,
            )
