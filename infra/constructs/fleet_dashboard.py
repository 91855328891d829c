"""All models of a stage on one page; it finds them by their metrics, so a new one needs no change."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.door_metrics import DoorMetrics
from infra.constructs.model_metrics import NAMESPACE

_PERIOD = cdk.Duration.minutes(5)
_CALLERS = (
    "stats count(*) as requests, sum(status >= 500) as faults, sum(response_bytes) as bytes"
    " by coalesce(api_key, token_subject, iam_caller, source_ip) as caller",
    "sort requests desc",
    "limit 50",
)
_ROUTES = (
    "stats count(*) as requests, pct(latency_ms, 50) as p50_ms, pct(latency_ms, 99) as p99_ms,"
    " sum(status >= 400 and status < 500) as refused, sum(status >= 500) as faults by route",
    "sort requests desc",
    "limit 50",
)


class FleetDashboard(Construct):
    """The front doors, then the models side by side, then who called what."""

    def __init__(self, scope: Construct, construct_id: str, *, doors: Sequence[DoorMetrics]) -> None:
        super().__init__(scope, construct_id)
        logs_of_all = [door.access_log.log_group_name for door in doors]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            widgets=[
                [
                    _graph("Requests", [door.requests for door in doors]),
                    _graph(
                        "Refused (4xx) and faults (5xx)", [m for d in doors for m in (d.refused, d.faults)]
                    ),
                    _graph("Latency p99, ms", [door.latency for door in doors]),
                ],
                [
                    _graph(f"{title} by model", [_search(name, statistic)])
                    for title, name, statistic in (
                        ("Requests", "requests", "Sum"),
                        ("Faults", "faults", "Sum"),
                        ("Inference p99, ms", "infer_ms", "p99"),
                    )
                ],
                [_table("Callers", logs_of_all, _CALLERS), _table("Routes", logs_of_all, _ROUTES)],
            ],
        )


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)


def _search(name: str, statistic: str) -> cloudwatch.MathExpression:
    query = f'{{{NAMESPACE},model,version}} MetricName="{name}"'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{query}', '{statistic}')", using_metrics={}, label="", period=_PERIOD
    )


def _table(title: str, log_groups: list[str], query: Sequence[str]) -> cloudwatch.LogQueryWidget:
    return cloudwatch.LogQueryWidget(
        title=title,
        log_group_names=log_groups,
        query_lines=list(query),
        view=cloudwatch.LogQueryVisualizationType.TABLE,
        width=12,
    )
