"""One model's dashboard."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.model_metrics import ModelMetrics
from modelet_runtime.manifest import Manifest

_PERIOD = cdk.Duration.minutes(5)
_HOUR = cdk.Duration.hours(1)
_WIDTH = 8  # of 24 columns
# Lambda's own report of each cold start; only it knows how long a restore took.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
_COLD_STARTS = (
    "filter type = 'platform.report'"
    " and (ispresent(record.metrics.initDurationMs) or ispresent(record.metrics.restoreDurationMs))",
    "stats count(*) as cold_starts, pct(record.metrics.initDurationMs, 50) as init_p50_ms,"
    " pct(record.metrics.initDurationMs, 99) as init_p99_ms,"
    " pct(record.metrics.restoreDurationMs, 50) as restore_p50_ms,"
    " pct(record.metrics.restoreDurationMs, 99) as restore_p99_ms by bin(1h)",
)


class ModelDashboard(Construct):
    """Requests, errors, latency, cold starts, concurrency and cost of one model; its files."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        manifest: Manifest,
        metrics: ModelMetrics,
        alarms: Sequence[cloudwatch.IAlarm],
        log_group: logs.ILogGroup,
        front_door: str,
        batch: Mapping[str, Sequence[cloudwatch.IMetric]],
    ) -> None:
        super().__init__(scope, construct_id)
        graphs: list[cloudwatch.IWidget] = [
            _graph("Requests", metrics.invocations(_PERIOD), metrics.throttles(_PERIOD)),
            _graph("Failures", metrics.errors(_PERIOD), metrics.own("faults", "Sum", _PERIOD)),
            _graph("Latency, ms", *(metrics.duration(share, _PERIOD) for share in ("p50", "p95", "p99"))),
            _graph("Inference, ms", *(metrics.own("infer_ms", share, _PERIOD) for share in ("p50", "p99"))),
            _graph(
                "Environments, cold starts, and how many of these were restores",
                metrics.concurrency(_PERIOD),
                metrics.own("cold_start", "Sum", _PERIOD),
                metrics.own("restores", "Sum", _PERIOD),
            ),
            _graph(
                "Cold starts, ms",
                metrics.own("init_ms", "p50", _HOUR),
                metrics.own("session_load_ms", "p50", _HOUR),
            ),
            _graph("Rows", metrics.own("rows", "Sum", _PERIOD)),
            _graph("Cost an hour, USD at list price", metrics.cost_usd(_HOUR, front_door)),
        ]
        graphs += [_graph(title, *shown) for title, shown in batch.items()]
        if alarms:
            graphs.append(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=_WIDTH))
        self.dashboard = cloudwatch.Dashboard(
            self, "Dashboard", widgets=[*_rows(graphs), [_cold_starts(log_group)]]
        )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=_WIDTH)


def _rows(widgets: list[cloudwatch.IWidget]) -> list[list[cloudwatch.IWidget]]:
    in_row = 24 // _WIDTH
    return [widgets[start : start + in_row] for start in range(0, len(widgets), in_row)]


def _cold_starts(log_group: logs.ILogGroup) -> cloudwatch.LogQueryWidget:
    return cloudwatch.LogQueryWidget(
        title="Cold starts: init and restore as Lambda reports them",
        log_group_names=[log_group.log_group_name],
        query_lines=list(_COLD_STARTS),
        view=cloudwatch.LogQueryVisualizationType.TABLE,
        width=24,
    )
