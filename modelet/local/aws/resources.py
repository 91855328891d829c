"""What `infra/` makes in an account, made in the emulator: buckets, queues, the table and the rules."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from modelet.local.aws.emulator import Emulator

INPUT_BUCKET = "modelet-in"
OUTPUT_BUCKET = "modelet-out"
TABLE = "modelet-batch"
_MAX_RECEIVES = 5
# A message stays with its function for as long as this; one that ends earlier gives it back.
_VISIBILITY_S = 960


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of one model.

    Attributes:
        url: As clients call it.
        arn: As events and rules name it.
        dead_letter_url: Where messages go that failed time after time.
    """

    url: str
    arn: str
    dead_letter_url: str


def make(emulator: Emulator, models: Iterable[str]) -> dict[str, Queue]:
    """Make everything there is once, and a queue with its rule for each model.

    Args:
        emulator: A server that holds nothing yet.
        models: Names of models that take batches.

    Returns:
        The queues by model.
    """
    s3, sqs, events = (emulator.client(service) for service in ("s3", "sqs", "events"))
    for bucket in (INPUT_BUCKET, OUTPUT_BUCKET):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=INPUT_BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    _make_table(emulator.client("dynamodb"))
    queues = {}
    for model in models:
        queues[model] = _make_queue(sqs, f"modelet-batch-{model}")
        _make_rule(events, model, queues[model])
    return queues


def _make_table(dynamodb: Any) -> None:
    names = (("run", "S"), ("item", "S"), ("model", "S"), ("created_at", "N"))
    dynamodb.create_table(
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
    dynamodb.update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def _make_queue(sqs: Any, name: str) -> Queue:
    dead_letter_url = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(sqs, dead_letter_url), "maxReceiveCount": _MAX_RECEIVES}
    attributes = {"VisibilityTimeout": str(_VISIBILITY_S), "RedrivePolicy": json.dumps(redrive)}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return Queue(url, _arn(sqs, url), dead_letter_url)


def _arn(sqs: Any, url: str) -> str:
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn


def _make_rule(events: Any, model: str, queue: Queue) -> None:
    """Objects under the model's prefixes go to its queue."""
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [INPUT_BUCKET]},
            "object": {"key": [{"prefix": f"{model}/"}, {"prefix": f"{model}@"}]},
        },
    }
    rule = f"modelet-batch-{model}"
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": queue.arn}])
