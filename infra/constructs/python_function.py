"""A small zip function: the catalog, the authorizer, the smoke tests."""

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

# The interpreter that the wheels of the runtime layer and their bytecode are made for.
RUNTIME = lambda_.Runtime.PYTHON_3_13
SYNCHRONOUS = "It is only invoked synchronously: whoever calls it sees the failure, and nothing is queued."


class PythonFunction(Construct):
    """A function with a role and a log group of its own, and no permission yet.

    Attributes:
        function: The function.
        role: What it runs as.
        log_group: Where it writes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        handler: str,
        description: str,
        settings: StageSettings,
        key: kms.IKey | None,
        environment: Mapping[str, str] | None = None,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        memory_mib: int = 256,
        timeout_s: int = 10,
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = log_group(self, "Logs", settings=settings, key=key)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=RUNTIME,
            architecture=architecture,
            code=code,
            handler=handler,
            description=description,
            memory_size=memory_mib,
            timeout=cdk.Duration.seconds(timeout_s),
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            environment=dict(environment or {}),
            environment_encryption=key,
            tracing=tracing_mode(self.role, settings),
        )
        acknowledge(
            self.function,
            {
                "Serverless-LambdaDLQ": SYNCHRONOUS,
                "Serverless-LambdaTracing": UNTRACED,
                "AwsSolutions-L1": "The wheels of the runtime layer are for Python 3.13, as the images are.",
                "Serverless-LambdaLatestVersion": "The wheels of the runtime layer are for Python 3.13.",
            },
        )
