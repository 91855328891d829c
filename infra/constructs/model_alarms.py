"""What rings when a model is ill, and rolls a canary back."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.model_metrics import ModelMetrics
from modelet_runtime.manifest import Manifest

MINUTE = cdk.Duration.minutes(1)
# Two bad minutes of three: a canary of five minutes is rolled back, a single bad minute wakes nobody.
_PERIODS, _BAD_PERIODS = 3, 2
_P99_SHARE_OF_TIMEOUT = 0.8


class ModelAlarms(Construct):
    """Alarms on the alias `live`: failed invocations, faulty answers, slow ones, refused ones.

    Lambda counts what crashes and times out; a 5xx that the handler answers is a success to it, so the
    runtime's own count is watched too, for the very version that is deployed.

    Attributes:
        alarms: All of them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        manifest: Manifest,
        metrics: ModelMetrics,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        wanted = manifest.resources
        p99_ms = wanted.alarm_p99_ms or wanted.timeout_s * 1000 * _P99_SHARE_OF_TIMEOUT
        self.alarms: list[cloudwatch.IAlarm] = []
        for name, metric, threshold, meaning in (
            (
                "Errors",
                metrics.error_percent(MINUTE),
                wanted.alarm_error_percent,
                "percent of invocations that crashed or timed out",
            ),
            (
                "Faults",
                metrics.fault_percent(MINUTE),
                wanted.alarm_error_percent,
                "percent of requests answered with a 5xx",
            ),
            ("Slow", metrics.duration("p99", MINUTE), p99_ms, "99th percentile of the duration, in ms"),
            ("Throttles", metrics.throttles(MINUTE), 0, "requests refused for want of concurrency"),
        ):
            alarm = cloudwatch.Alarm(
                self,
                name,
                metric=metric,
                threshold=threshold,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                evaluation_periods=_PERIODS,
                datapoints_to_alarm=_BAD_PERIODS,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
                alarm_description=f"{manifest.name}: {meaning}, above {threshold:g}",
            )
            alarm.add_alarm_action(actions.SnsAction(topic))
            self.alarms.append(alarm)
