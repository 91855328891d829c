"""One version's way of files: rule, queue, function, state machine, and what each may do."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.acknowledge import acknowledge_wildcards
from infra.batching import Lane
from infra.constructs.batch_function import BatchFunction
from infra.constructs.batch_machine import BatchMachine, machine_arn
from infra.constructs.batch_metrics import BatchMetrics
from infra.constructs.batch_queue import BatchQueue
from infra.constructs.encryption import TABLE_KEY_ACTIONS
from infra.settings import StageSettings
from infra.stacks.batch import BatchStack
from modelet_runtime.batch.identity import WORK_PREFIX

_READ = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"]
_WRITE = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
_TABLE = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query"]
# As `modelet serve` does: a function that dies takes few others with it.
_MESSAGES_PER_CALL = 10
_LEAST_CONCURRENCY = 2  # of an event source mapping


class BatchLane(Construct):
    """From the input bucket to the output bucket.

    Attributes:
        queues: Where its files are announced.
        batch: The function.
        machine: Runs it over the parts of big inputs.
        metrics: What it does, where the stage looks.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        lane: Lane,
        code: lambda_.DockerImageCode,
        definition: Path,
        environment: Mapping[str, str],
        shared: BatchStack,
        settings: StageSettings,
        key: kms.IKey | None,
        topic: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._lane, self._shared = lane, shared
        name = lane.machine_name(settings.name)
        self.queues = BatchQueue(
            self,
            "Files",
            bucket=shared.inputs,
            prefixes=lane.prefixes,
            timeout_s=lane.batch.timeout_s,
            key=key,
        )
        self.batch = BatchFunction(
            self,
            "Infer",
            manifest=lane.version.manifest,
            batch=lane.batch,
            code=code,
            environment={**self._environment(name), **environment},
            settings=settings,
            key=key,
        )
        self._feed()
        self.machine = BatchMachine(
            self,
            "Split",
            name=name,
            definition=definition,
            function=self.batch.function,
            version=self.batch.version,
            outputs_arn=shared.outputs_arn,
            max_concurrency=lane.batch.max_concurrency,
            key=key,
        )
        self._grant(name, key)
        self.metrics: BatchMetrics | None = None
        if topic or settings.dashboards:
            self.metrics = BatchMetrics(self, "Figures", name=name, queues=self.queues, function=self.batch)
        if topic and self.metrics:
            self.metrics.watch(topic, f"{lane.version.manifest.name}, batch of {lane.part}")

    def _environment(self, machine: str) -> dict[str, str]:
        return {
            "MODELET_BATCH_TABLE": self._shared.table.table_name,
            "MODELET_BATCH_INPUT": self._shared.inputs.bucket_name,
            "MODELET_BATCH_OUTPUT": self._shared.outputs.bucket_name,
            "MODELET_BATCH_QUEUE_URL": self.queues.queue.queue_url,
            "MODELET_BATCH_STATE_MACHINE": machine_arn(self, machine),
            "MODELET_BATCH_ALIASES": " ".join(self._lane.selectors),
        }

    def _feed(self) -> None:
        self.batch.function.add_event_source(
            sources.SqsEventSource(
                self.queues.queue,
                batch_size=_MESSAGES_PER_CALL,
                report_batch_item_failures=True,
                max_concurrency=max(_LEAST_CONCURRENCY, self._lane.batch.max_concurrency),
            )
        )

    def _grant(self, machine: str, key: kms.IKey | None) -> None:
        """What decision 0160 lists; results go below the model's own keys, work below one prefix.

        A manifest names objects anywhere in the input bucket, since below the model's own keys each would
        be a run. Without `ListBucket` S3 says 403 of what is not there.
        """
        role, shared = self.batch.role, self._shared
        model = self._lane.version.manifest.name
        readable = f"{shared.inputs_arn}/*"
        writable = [f"{shared.outputs_arn}/{prefix}*" for prefix in (f"{model}/", f"{model}@", WORK_PREFIX)]
        for actions, resources in (
            (_READ, [readable]),
            (["s3:ListBucket"], [shared.inputs_arn, shared.outputs_arn]),
            (_WRITE, writable),
            (_TABLE, [shared.table.table_arn]),
            (["sqs:SendMessage"], [self.queues.queue.queue_arn]),
            (["states:StartExecution"], [machine_arn(self, machine)]),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
        acknowledge_wildcards(role, "A manifest may name any object of the input bucket.", readable)
        acknowledge_wildcards(role, "The model's own results, and the work of runs.", *writable)
        if key:
            key.grant(role, *TABLE_KEY_ACTIONS)
