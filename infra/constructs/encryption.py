"""The stage's own KMS key, where the owner wants one instead of AWS's keys."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

# Whoever reads and writes a table needs these on its key.
# Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
TABLE_KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


class CustomerKey(Construct):
    """A rotating key that CloudWatch may use for log groups and alarms of this account.

    Attributes:
        key: The key.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retain: bool) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self.key = kms.Key(
            self,
            "Key",
            description="modelet: logs, alarms, tables, buckets, queues and functions of a stage",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
        )
        # Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        self.key.grant_encrypt_decrypt(
            iam.ServicePrincipal(
                f"logs.{stack.region}.amazonaws.com",
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": stack.format_arn(
                            service="logs",
                            resource="log-group",
                            resource_name="*",
                            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                        )
                    }
                },
            )
        )
        # An alarm cannot be sent to a topic under AWS's own key, to one under this key only by this.
        # Source: https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger
        self.key.grant(
            iam.ServicePrincipal(
                "cloudwatch.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
            ),
            "kms:Decrypt",
            "kms:GenerateDataKey",
        )
        # EventBridge puts files into queues under this key.
        # Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html
        self.key.grant(
            iam.ServicePrincipal(
                "events.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
            ),
            "kms:Decrypt",
            "kms:GenerateDataKey",
        )
