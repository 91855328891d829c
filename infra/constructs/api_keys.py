"""API keys on an HTTP API: a table of digests, a table of counts, and the function that compares."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.python_function import PythonFunction
from infra.settings import StageSettings


class ApiKeyStore(Construct):
    """Keys by id, never the keys themselves, and how often each was used on which day.

    Attributes:
        keys: `key_id` to digest, scopes, quota and expiry.
        usage: `key_id` and `day` to a count, which DynamoDB deletes after a while.
        authorizer: Says who may call what.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        settings: StageSettings,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.keys = self._table("Keys", settings, key)
        self.usage = self._table("Usage", settings, key, sort_key="day", time_to_live="expires_at")
        self.authorizer = PythonFunction(
            self,
            "Authorizer",
            code=code,
            handler="authorizer.handler.handler",
            description="API keys: who may call what, and how often",
            environment={"MODELET_KEYS": self.keys.table_name, "MODELET_USAGE": self.usage.table_name},
            settings=settings,
            key=key,
        )

    def _table(
        self,
        construct_id: str,
        settings: StageSettings,
        key: kms.IKey | None,
        *,
        sort_key: str | None = None,
        time_to_live: str | None = None,
    ) -> dynamodb.Table:
        """A table by `key_id` that costs nothing at rest and can be brought back to any second of 35 days."""
        text = dynamodb.AttributeType.STRING
        return dynamodb.Table(
            self,
            construct_id,
            partition_key=dynamodb.Attribute(name="key_id", type=text),
            sort_key=dynamodb.Attribute(name=sort_key, type=text) if sort_key else None,
            time_to_live_attribute=time_to_live,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=key,
            deletion_protection=settings.retain_data,
            removal_policy=cdk.RemovalPolicy.RETAIN if settings.retain_data else cdk.RemovalPolicy.DESTROY,
        )
