"""X-Ray, where the stage asks for it."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from infra.acknowledge import acknowledge
from infra.settings import StageSettings

UNTRACED = "X-Ray is a setting of the stage; the runtime's own metrics time every request."


def tracing_mode(role: iam.Role, settings: StageSettings) -> lambda_.Tracing:
    """How a function is traced."""
    if settings.tracing:
        acknowledge(
            role,
            {"AwsSolutions-IAM5[Resource::*]": "X-Ray's two write actions take no resource."},
        )
        return lambda_.Tracing.ACTIVE
    return lambda_.Tracing.DISABLED
