"""How a new version takes over: a share of the requests first, back again when an alarm rings."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from modelet_runtime.manifest import Manifest

_PREDEFINED = {
    (10, 5): codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_5_MINUTES,
    (10, 10): codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_10_MINUTES,
    (10, 15): codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_15_MINUTES,
    (10, 30): codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_30_MINUTES,
}


class Canary(Construct):
    """A deployment group over the alias, with the smoke test before and the alarms during the shift.

    The construct of the CDK would attach AWS's managed policy, which may move every alias of the
    account. This role gets its few permissions in the stack.

    Attributes:
        role: What CodeDeploy acts as.
        group: The deployment group.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        manifest: Manifest,
        application: codedeploy.ILambdaApplication,
        alias: lambda_.Alias,
        alarms: Sequence[cloudwatch.IAlarm],
        pre_traffic: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"))
        self.group = codedeploy.LambdaDeploymentGroup(
            self,
            "Group",
            application=application,
            alias=alias,
            role=self.role.without_policy_updates(),
            deployment_config=self._config(manifest),
            alarms=list(alarms),
            pre_hook=pre_traffic,
            auto_rollback=codedeploy.AutoRollbackConfig(
                failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
            ),
        )

    def _config(self, manifest: Manifest) -> codedeploy.ILambdaDeploymentConfig:
        wanted = manifest.resources
        if not wanted.canary_minutes:
            return codedeploy.LambdaDeploymentConfig.ALL_AT_ONCE
        predefined = _PREDEFINED.get((wanted.canary_percent, wanted.canary_minutes))
        if predefined is not None:
            return predefined
        return codedeploy.LambdaDeploymentConfig(
            self,
            "Shift",
            traffic_routing=codedeploy.TimeBasedCanaryTrafficRouting(
                percentage=wanted.canary_percent, interval=cdk.Duration.minutes(wanted.canary_minutes)
            ),
        )
