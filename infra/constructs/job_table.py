"""The table of jobs."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.settings import StageSettings


class JobTable(Construct):
    """A record per job, which DynamoDB deletes after a while; billed by what is read and written.

    Attributes:
        table: The table.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: StageSettings, key: kms.IKey | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="job", type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="expires_at",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=False
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=key,
            deletion_protection=settings.retain_data,
            removal_policy=cdk.RemovalPolicy.RETAIN if settings.retain_data else cdk.RemovalPolicy.DESTROY,
        )
        reason = "Jobs are over in days, and their records without their results in S3 are of no use."
        acknowledge(
            self.table, {"AwsSolutions-DDB3": reason, "Serverless-DynamoDBPointInTimeRecovery": reason}
        )
