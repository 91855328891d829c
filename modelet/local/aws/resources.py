"""What `infra/` makes in an account, made in the emulator."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from modelet import paths
from modelet.local.aws.emulator import Emulator
from modelet.local.aws.names import INPUT_BUCKET, JOBS_BUCKET, JOBS_TABLE, OUTPUT_BUCKET, TABLE
from modelet.local.events import ACCOUNT_ID
from modelet.local.process import REGION

_MAX_RECEIVES = 5
# A message stays with its function for as long as this; one that ends earlier gives it back.
_VISIBILITY_S = 960
_ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/modelet-batch"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue that feeds a function.

    Attributes:
        name: Of the queue, and of the rule that fills it.
        url: As clients call it.
        arn: As events and rules name it.
        dead_letter_url: Where messages go that failed time after time.
    """

    name: str
    url: str
    arn: str
    dead_letter_url: str


class Resources:
    """Makes and changes them. All calls block.

    Args:
        emulator: A server that is up.

    Attributes:
        s3: A client of the buckets.
        sqs: A client of the queues.
    """

    def __init__(self, emulator: Emulator) -> None:
        services = ("s3", "sqs", "events", "dynamodb", "stepfunctions")
        self.s3, self.sqs, self._events, self._dynamodb, self._machines = map(emulator.client, services)

    def make_shared(self) -> None:
        """Make the buckets and the table."""
        for bucket in (INPUT_BUCKET, OUTPUT_BUCKET):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.s3.put_bucket_notification_configuration(
            Bucket=INPUT_BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self._make_table()

    def make_jobs(self) -> None:
        """Make the table and the bucket of jobs and uploads."""
        self.s3.create_bucket(Bucket=JOBS_BUCKET)
        self._dynamodb.create_table(
            TableName=JOBS_TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "job", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "job", "KeyType": "HASH"}],
        )
        self._expire(JOBS_TABLE)

    def _make_table(self) -> None:
        names = (("run", "S"), ("item", "S"), ("model", "S"), ("created_at", "N"))
        self._dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in names],
            KeySchema=_keys("run", "item"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_model",
                    "KeySchema": _keys("model", "created_at"),
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        self._expire(TABLE)

    def _expire(self, table: str) -> None:
        self._dynamodb.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
        )

    def make_queue(self, name: str) -> Queue:
        """Make a queue with its dead-letter queue; one that is there stays as it is."""
        dead_letter_url = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": _queue_arn(f"{name}-dead"), "maxReceiveCount": _MAX_RECEIVES}
        attributes = {"VisibilityTimeout": str(_VISIBILITY_S), "RedrivePolicy": json.dumps(redrive)}
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return Queue(name, url, _queue_arn(name), dead_letter_url)

    def route(self, queue: Queue, prefixes: Sequence[str]) -> None:
        """Objects under these prefixes go to the queue, and no others any more."""
        self._route(queue, [{"prefix": prefix} for prefix in prefixes])

    def route_others(self, queue: Queue, prefixes: Sequence[str]) -> None:
        """Objects under none of these prefixes go to the queue."""
        self._route(queue, [{"anything-but": {"prefix": list(prefixes)}}])

    def _route(self, queue: Queue, keys: Sequence[object]) -> None:
        pattern = {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [INPUT_BUCKET]}, "object": {"key": keys}},
        }
        self._events.put_rule(Name=queue.name, EventPattern=json.dumps(pattern))
        self._events.put_targets(Rule=queue.name, Targets=[{"Id": "queue", "Arn": queue.arn}])

    def make_machine(self, name: str, function_arn: str, concurrency: int) -> None:
        """Make the state machine that runs a function over the parts of big inputs.

        It is the one that `infra/` deploys. Source: functions/batch/distributed_map.asl.json
        """
        text = paths.distributed_map().read_text().replace("${BatchFunction}", function_arn)
        definition = json.loads(text)
        definition["States"]["Parts"]["MaxConcurrency"] = concurrency
        self._machines.create_state_machine(name=name, definition=json.dumps(definition), roleArn=_ROLE)


def machine_arn(name: str) -> str:
    """The ARN that a state machine has, or will have."""
    return f"arn:aws:states:{REGION}:{ACCOUNT_ID}:stateMachine:{name}"


def _queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
