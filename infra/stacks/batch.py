"""What the batch functions of all models share: the buckets and the table of runs."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.batch_bucket import BatchBucket
from infra.constructs.batch_table import BatchTable
from infra.settings import StageSettings
from infra.stacks.base import StageStack
from infra.stacks.shared import SharedStack


class BatchStack(StageStack):
    """There is one where a model takes files.

    Attributes:
        inputs: Where files are dropped.
        inputs_arn: Its ARN, for other stacks.
        outputs: Where results appear.
        outputs_arn: Its ARN, for other stacks.
        table: What runs there are, and how far they are.
    """

    def __init__(self, scope: Construct, *, settings: StageSettings, shared: SharedStack) -> None:
        super().__init__(scope, "batch", settings=settings, description="files in, results out")
        wanted, key = settings.batch, shared.key
        self.inputs: s3.IBucket = BatchBucket(
            self, "Input", existing=wanted.input_bucket, settings=settings, key=key, announces=True
        ).bucket
        self.outputs: s3.IBucket = BatchBucket(
            self, "Output", existing=wanted.output_bucket, settings=settings, key=key, announces=False
        ).bucket
        self.inputs_arn = self._exported(self.inputs, wanted.input_bucket)
        self.outputs_arn = self._exported(self.outputs, wanted.output_bucket)
        self.table: dynamodb.ITable = BatchTable(self, "Runs", settings=settings, key=key).table
        # `modelet batch` looks for these.
        for name, value, meaning in (
            ("BatchInput", self.inputs.bucket_name, "Where files go, below <model>/"),
            ("BatchOutput", self.outputs.bucket_name, "Where their results appear"),
            ("BatchTable", self.table.table_name, "The runs"),
        ):
            cdk.CfnOutput(self, name, value=value, description=meaning)

    def _exported(self, bucket: s3.IBucket, existing: str | None) -> str:
        return bucket.bucket_arn if existing else self.export_value(bucket.bucket_arn)
