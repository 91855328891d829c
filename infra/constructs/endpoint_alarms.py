"""What rings when an endpoint is ill, and takes its new fleet back."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.endpoint_scaling import NAMESPACE
from modelet_runtime.manifest import ASYNC, Endpoint

_HARDWARE = "/aws/sagemaker/Endpoints"
_MINUTE = cdk.Duration.minutes(1)
_PERIODS, _BAD_PERIODS = 3, 2
_FAILURES_PER_MINUTE = 5
_SHARE_OF_TIMEOUT = 0.8
_FULL_PERCENT = 90
# An instance takes some ten minutes to start; what waits longer waits for more than that.
_OLDEST_S = 1800
_BACKLOG_PER_INSTANCE = 100
# The percentages of all GPUs of an instance are summed up.
# Source: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
_GPUS = {
    "ml.g4dn.12xlarge": 4,
    "ml.g5.12xlarge": 4,
    "ml.g5.24xlarge": 4,
    "ml.g5.48xlarge": 8,
    "ml.g6.12xlarge": 4,
    "ml.g6.24xlarge": 4,
    "ml.g6.48xlarge": 8,
}


class RollbackAlarms(Construct):
    """Alarms that are there before the endpoint is, which names them to be taken back by.

    They cannot name the endpoint in turn, whose name CloudFormation chooses: they look for the fleet's.

    Attributes:
        alarms: All of them.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, variant: str, wanted: Endpoint, topic: sns.ITopic
    ) -> None:
        super().__init__(scope, construct_id)
        slow_us = wanted.timeout_s * _SHARE_OF_TIMEOUT * 1e6
        self.alarms = [
            _alarm(self, name, _query(metric, variant), threshold, f"{variant}: {meaning}", topic)
            for name, metric, threshold, meaning in (
                (
                    "Errors",
                    "SUM(Invocation5XXErrors)",
                    _FAILURES_PER_MINUTE,
                    "requests that failed in a minute",
                ),
                ("Slow", "AVG(ModelLatency)", slow_us, "mean time of the server, in microseconds"),
            )
        ]


class EndpointAlarms(Construct):
    """Alarms on what an endpoint holds: its GPUs' memory, and what waits."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        variant: str,
        wanted: Endpoint,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        endpoint = {"EndpointName": endpoint_name}
        full = _FULL_PERCENT * _GPUS.get(wanted.instance_type, 1)
        watched: Sequence[tuple[str, cloudwatch.IMetric, float, str]] = [
            (
                "Memory",
                _metric(_HARDWARE, "GPUMemoryUtilization", {**endpoint, "VariantName": variant}),
                full,
                "percent of a GPU's memory in use, summed over the GPUs of an instance",
            )
        ]
        if wanted.mode == ASYNC:
            backlog = _BACKLOG_PER_INSTANCE * wanted.max_instances
            watched = [
                *watched,
                (
                    "Backlog",
                    _metric(NAMESPACE, "ApproximateBacklogSize", endpoint),
                    backlog,
                    "requests that wait",
                ),
                (
                    "Oldest",
                    _metric(NAMESPACE, "ApproximateAgeOfOldestRequest", endpoint),
                    _OLDEST_S,
                    "seconds that a request waits",
                ),
            ]
        for name, metric, threshold, meaning in watched:
            _alarm(self, name, metric, threshold, f"{variant}: {meaning}", topic)


def _metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict(dimensions),
        statistic="Maximum",
        period=_MINUTE,
    )


def _query(selected: str, variant: str) -> cloudwatch.MathExpression:
    """A query of CloudWatch Metrics Insights, over the one endpoint that has a fleet of this name."""
    schema = f'SCHEMA("{NAMESPACE}", EndpointName, VariantName)'
    return cloudwatch.MathExpression(
        expression=f"SELECT {selected} FROM {schema} WHERE VariantName = '{variant}'",  # noqa: S608  no SQL
        using_metrics={},
        period=_MINUTE,
    )


def _alarm(
    scope: Construct,
    construct_id: str,
    metric: cloudwatch.IMetric,
    threshold: float,
    meaning: str,
    topic: sns.ITopic,
) -> cloudwatch.Alarm:
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        metric=metric,
        threshold=threshold,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=_PERIODS,
        datapoints_to_alarm=_BAD_PERIODS,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        alarm_description=f"{meaning}, above {threshold:g}",
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
    return alarm
