"""The figures of one model: Lambda's own, and those its runtime writes in embedded metric format."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from infra.pricing import API_REQUEST, LAMBDA_GB_SECOND, LAMBDA_REQUEST
from modelet_runtime.manifest import Manifest

# As `modelet_runtime.telemetry` writes them; a test holds the two together.
NAMESPACE = "modelet"


class ModelMetrics:
    """Metrics of the alias `live` and of the version it is at."""

    def __init__(self, manifest: Manifest, alias: lambda_.Alias, function: lambda_.IFunction) -> None:
        self._manifest = manifest
        self._alias = alias
        self._function = function

    def invocations(self, period: cdk.Duration) -> cloudwatch.Metric:
        """How often the function ran."""
        return self._alias.metric_invocations(period=period, label="invocations")

    def errors(self, period: cdk.Duration) -> cloudwatch.Metric:
        """Invocations that crashed or timed out."""
        return self._alias.metric_errors(period=period, label="errors")

    def throttles(self, period: cdk.Duration) -> cloudwatch.Metric:
        """Requests refused for want of concurrency."""
        return self._alias.metric_throttles(period=period, label="throttles")

    def duration(self, statistic: str, period: cdk.Duration) -> cloudwatch.Metric:
        """How long invocations took, in milliseconds."""
        return self._alias.metric_duration(statistic=statistic, period=period, label=statistic)

    def concurrency(self, period: cdk.Duration) -> cloudwatch.Metric:
        """The most environments at once; Lambda counts them by function."""
        return self._function.metric(
            "ConcurrentExecutions", statistic="Maximum", period=period, label="environments"
        )

    def own(self, name: str, statistic: str, period: cdk.Duration) -> cloudwatch.Metric:
        """A metric of the runtime, by its name."""
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"model": self._manifest.name, "version": str(self._manifest.version)},
            statistic=statistic,
            period=period,
            label=f"{name} {statistic}",
        )

    def error_percent(self, period: cdk.Duration) -> cloudwatch.MathExpression:
        """Share of invocations that crashed or timed out."""
        return cloudwatch.MathExpression(
            expression="100 * errors / invocations",
            using_metrics={"errors": self.errors(period), "invocations": self.invocations(period)},
            period=period,
            label="errors %",
        )

    def fault_percent(self, period: cdk.Duration) -> cloudwatch.MathExpression:
        """Share of requests that the runtime answered with a 5xx."""
        return cloudwatch.MathExpression(
            expression="100 * faults / requests",
            using_metrics={
                "faults": self.own("faults", "Sum", period),
                "requests": self.own("requests", "Sum", period),
            },
            period=period,
            label="faults %",
        )

    def cost_usd(self, period: cdk.Duration, front_door: str) -> cloudwatch.MathExpression:
        """What the requests of a period cost at list price: the function's time, its requests, the API's."""
        wanted = self._manifest.resources
        per_request = LAMBDA_REQUEST + API_REQUEST[front_door]
        per_ms = LAMBDA_GB_SECOND[wanted.architecture] * wanted.memory_mib / 1024 / 1000
        return cloudwatch.MathExpression(
            expression=f"invocations * {per_request:.10f} + duration * {per_ms:.14f}",
            using_metrics={
                "invocations": self.invocations(period),
                "duration": self._alias.metric_duration(statistic="Sum", period=period),
            },
            period=period,
            label="USD",
        )
