"""What rings when a front door answers with faults, whichever model is behind it."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.door_metrics import DoorMetrics

_PERIOD = cdk.Duration.minutes(5)
_PERCENT = 1.0


class DoorAlarm(Construct):
    """More than one request in a hundred answered with a 5xx, for ten minutes of fifteen."""

    def __init__(
        self, scope: Construct, construct_id: str, *, metrics: DoorMetrics, topic: sns.ITopic
    ) -> None:
        super().__init__(scope, construct_id)
        alarm = cloudwatch.Alarm(
            self,
            "Faults",
            metric=cloudwatch.MathExpression(
                expression="100 * faults / requests",
                using_metrics={"faults": metrics.faults, "requests": metrics.requests},
                period=_PERIOD,
            ),
            threshold=_PERCENT,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"front door: percent of requests answered with a 5xx, above {_PERCENT:g}",
        )
        alarm.add_alarm_action(actions.SnsAction(topic))
