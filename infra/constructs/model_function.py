"""The function of one model version: its image, published and reached through an alias."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.constructs.logs import log_group
from infra.constructs.tracing import UNTRACED, tracing_mode
from infra.settings import StageSettings
from modelet_runtime.manifest import Manifest

_RECORDED = "What became of a job, its record says, whatever died."
# As much as Lambda has.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
_RETRIES = 2
_LONGEST_WAIT = cdk.Duration.hours(6)
ARCHITECTURES = {"x86_64": lambda_.Architecture.X86_64, "arm64": lambda_.Architecture.ARM_64}


class ModelFunction(Construct):
    """An image function with what its manifest asks for, and no permission yet.

    Attributes:
        function: The function.
        role: What it runs as.
        log_group: Where it writes.
        version: The published version of these very bytes and settings.
        alias: `live`, `canary` or `pinned`, at that version; the function is told with each request.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        manifest: Manifest,
        alias: str,
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
            description=f"{manifest.name} version {manifest.version}: {manifest.description}"[:256],
            architecture=ARCHITECTURES[wanted.architecture],
            memory_size=wanted.memory_mib,
            timeout=cdk.Duration.seconds(wanted.timeout_s),
            ephemeral_storage_size=cdk.Size.mebibytes(wanted.ephemeral_storage_mib),
            reserved_concurrent_executions=wanted.max_concurrency,
            snap_start=(
                lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS
                if wanted.snap_start and settings.snap_start
                else None
            ),
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            environment=dict(environment),
            environment_encryption=key,
            tracing=tracing_mode(self.role, settings),
            # The version before is deleted once `live` has left it: a snapshot is paid for by the second.
            current_version_options=lambda_.VersionOptions(removal_policy=cdk.RemovalPolicy.DESTROY),
        )
        acknowledge(
            self.function,
            {
                "Serverless-LambdaDLQ": _RECORDED,
                "Serverless-LambdaTracing": UNTRACED,
                "@aws-cdk/aws-lambda:snapStartRequirePublish": "Every route goes to a published version.",
            },
        )
        self.version = self.function.current_version
        self.alias = lambda_.Alias(
            self,
            "Live",
            alias_name=alias,
            version=self.version,
            provisioned_concurrent_executions=wanted.provisioned_concurrency or None,
            # Jobs: an attempt that dies, or finds no environment free, is made again.
            retry_attempts=_RETRIES,
            max_event_age=_LONGEST_WAIT,
        )
        acknowledge(self.alias, {"Serverless-LambdaAsyncFailureDestination": _RECORDED})
