"""The figures of a front door: both kinds of API count the same things under other names."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs

_PERIOD = cdk.Duration.minutes(5)


@dataclass(frozen=True, slots=True)
class DoorMetrics:
    """Requests and what became of them, and the log of who came."""

    requests: cloudwatch.Metric
    refused: cloudwatch.Metric
    faults: cloudwatch.Metric
    latency: cloudwatch.Metric
    access_log: logs.ILogGroup

    @classmethod
    def of(
        cls, api: apigatewayv2.HttpApi | apigateway.SpecRestApi, access_log: logs.ILogGroup, label: str
    ) -> "DoorMetrics":
        """The metrics of an API."""
        return cls(
            requests=api.metric_count(period=_PERIOD, label=f"{label} requests"),
            refused=api.metric_client_error(period=_PERIOD, label=f"{label} 4xx"),
            faults=api.metric_server_error(period=_PERIOD, label=f"{label} 5xx"),
            latency=api.metric_latency(period=_PERIOD, statistic="p99", label=f"{label} p99"),
            access_log=access_log,
        )
