"""The table of runs; decision 0160 says what is in it."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.settings import StageSettings
from modelet_runtime.batch.records import INDEX


class BatchTable(Construct):
    """Runs and their parts, which DynamoDB deletes after a while; billed by what is read and written.

    Attributes:
        table: The table.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: StageSettings, key: kms.IKey | None
    ) -> None:
        super().__init__(scope, construct_id)
        recovers = settings.batch.point_in_time_recovery
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_text("run"),
            sort_key=_text("item"),
            time_to_live_attribute="expires_at",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=recovers
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=key,
            deletion_protection=settings.retain_data,
            removal_policy=cdk.RemovalPolicy.RETAIN if settings.retain_data else cdk.RemovalPolicy.DESTROY,
        )
        self.table.add_global_secondary_index(
            index_name=INDEX,
            partition_key=_text("model"),
            sort_key=dynamodb.Attribute(name="created_at", type=dynamodb.AttributeType.NUMBER),
        )
        if not recovers:
            reason = "The stage's settings say so: runs can be made again from their inputs."
            acknowledge(
                self.table,
                {"AwsSolutions-DDB3": reason, "Serverless-DynamoDBPointInTimeRecovery": reason},
            )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
