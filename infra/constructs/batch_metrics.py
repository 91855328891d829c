"""The figures of one version's batch function, and what rings when files are not taken up."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.batch_function import BatchFunction
from infra.constructs.batch_queue import BatchQueue

_PERIOD = cdk.Duration.minutes(5)
# An input that is being worked on counts as waiting: four invocations of 15 minutes.
_OLD_S = 3600
NAMESPACE = "modelet/batch"


class BatchMetrics(Construct):
    """Queue lengths and ages, invocations, and how many runs failed, which the function's log says."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, queues: BatchQueue, function: BatchFunction
    ) -> None:
        super().__init__(scope, construct_id)
        failures = logs.MetricFilter(
            self,
            "Failures",
            log_group=function.log_group,
            filter_pattern=logs.FilterPattern.literal('{ $.message = "handled" && $.state = "failed" }'),
            metric_namespace=NAMESPACE,
            metric_name=f"failed_runs/{name}",
        )
        self.failed_runs = failures.metric(statistic="Sum", period=_PERIOD, label="failed runs")
        self.age_s = queues.queue.metric_approximate_age_of_oldest_message(
            statistic="Maximum", period=_PERIOD, label="oldest, s"
        )
        self.dead = _length(queues.dead, "given up")
        self._waiting = _length(queues.queue, "waiting")
        self._function = function

    def graphs(self) -> Mapping[str, Sequence[cloudwatch.IMetric]]:
        """What a dashboard shows, by title."""
        function = self._function.function
        return {
            "Batch: files waiting and given up": [self._waiting, self.dead],
            "Batch: age of the oldest file, s": [self.age_s],
            "Batch: invocations, their errors, failed runs": [
                function.metric_invocations(period=_PERIOD, label="invocations"),
                function.metric_errors(period=_PERIOD, label="errors"),
                self.failed_runs,
            ],
        }

    def watch(self, topic: sns.ITopic, what: str) -> None:
        """Ring when a file was given up, waits too long, or a run failed."""
        for name, metric, threshold, meaning in (
            ("Dead", self.dead, 0, "files that no attempt could take up, in the dead-letter queue"),
            ("Old", self.age_s, _OLD_S, "age of the oldest file, in s"),
            ("Failed", self.failed_runs, 0, "runs that failed: see their _FAILED.json"),
        ):
            alarm = cloudwatch.Alarm(
                self,
                name,
                metric=metric,
                threshold=threshold,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                evaluation_periods=1,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
                alarm_description=f"{what}: {meaning}, above {threshold:g}",
            )
            alarm.add_alarm_action(actions.SnsAction(topic))


def _length(queue: sqs.Queue, label: str) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(
        statistic="Maximum", period=_PERIOD, label=label
    )
