"""The hook that CodeDeploy calls before a new version gets its first request."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.python_function import PythonFunction
from infra.settings import StageSettings

# The new version's init and its first inferences happen inside it.
_TIMEOUT_S = 120


class SmokeTest(PythonFunction):
    """Sends the golden inputs to one version and compares what comes back."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        model: str,
        target: lambda_.IVersion,
        settings: StageSettings,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            code=code,
            handler="smoke.handler.handler",
            description="Golden inputs to the new version of a model, before it gets requests",
            environment={"MODELET_MODEL": model, "MODELET_TARGET": target.function_arn},
            settings=settings,
            key=key,
            timeout_s=_TIMEOUT_S,
        )
