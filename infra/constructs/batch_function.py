"""The batch function of one model version: its image with another command."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.constructs.logs import log_group
from infra.constructs.model_function import ARCHITECTURES
from infra.constructs.tracing import UNTRACED, tracing_mode
from infra.settings import StageSettings
from modelet_runtime.manifest import Batch, Manifest

COMMAND = "batch.handler.handler"


class BatchFunction(Construct):
    """An image function for files, with no permission yet.

    Attributes:
        function: The function.
        role: What it runs as.
        log_group: Where it writes.
        version: These very bytes and settings. State machines call it, so that a run which has begun ends
            with the version it began with; it stays after a deployment, and costs nothing.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        manifest: Manifest,
        batch: Batch,
        code: lambda_.DockerImageCode,
        environment: Mapping[str, str],
        settings: StageSettings,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        wanted = manifest.resources
        self.log_group = log_group(self, "Logs", settings=settings, key=key)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.function = lambda_.DockerImageFunction(
            self,
            "Function",
            code=code,
            description=f"{manifest.name} version {manifest.version}: files of a bucket",
            architecture=ARCHITECTURES[wanted.architecture],
            memory_size=batch.memory_mib or wanted.memory_mib,
            timeout=cdk.Duration.seconds(batch.timeout_s),
            ephemeral_storage_size=cdk.Size.mebibytes(wanted.ephemeral_storage_mib),
            # Lambda ends loops through S3 and the queue that nobody meant; decision 0181.
            recursive_loop=lambda_.RecursiveLoop.TERMINATE,
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            environment=dict(environment),
            environment_encryption=key,
            tracing=tracing_mode(self.role, settings),
            current_version_options=lambda_.VersionOptions(removal_policy=cdk.RemovalPolicy.RETAIN),
        )
        acknowledge(
            self.function,
            {
                "Serverless-LambdaDLQ": "Its queue has one; state machines call it synchronously.",
                "Serverless-LambdaEventSourceMappingDestination": "What fails goes to the queue's own"
                " dead-letter queue.",
                "Serverless-LambdaTracing": UNTRACED,
            },
        )
        self.version = self.function.current_version
