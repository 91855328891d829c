"""A function is fed from a queue as Lambda feeds it: nothing is lost, failures come again, poison ends."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from modelet.local.aws.mapping import EventSourceMapping, MappingSettings
from modelet.local.errors import Crashed

SETTINGS = MappingSettings(poll_s=0.01, retry_s=0)


class Queue:
    """A queue with a dead-letter queue, and the function behind it."""

    def __init__(self, sqs: Any) -> None:
        self.sqs = sqs
        self.dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": 3})
        self.url = sqs.create_queue(
            QueueName="live", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "30"}
        )["QueueUrl"]
        self.seen: Counter[str] = Counter()
        self.sizes: list[int] = []

    def arn(self, url: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def left(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(value) for value in found.values())

    def feed(
        self,
        answer: Callable[[list[dict]], object],
        until: Callable[[], bool],
        settings: MappingSettings = SETTINGS,
    ) -> None:
        """Feed the function until a condition holds."""

        async def invoke(event: bytes) -> bytes:
            records = json.loads(event)["Records"]
            self.seen.update(record["body"] for record in records)
            self.sizes.append(len(records))
            return json.dumps(answer(records)).encode()

        async def run() -> None:
            mapping = EventSourceMapping(self.sqs, self.url, self.arn(self.url), invoke, settings)
            mapping.start()
            async with asyncio.timeout(20):
                while not until():
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            await mapping.close()

        asyncio.run(run())


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Queue(boto3.client("sqs"))


def test_what_is_done_is_deleted_and_comes_in_batches(queue: Queue):
    bodies = [str(number) for number in range(25)]
    queue.send(*bodies)

    queue.feed(lambda records: None, lambda: queue.left(queue.url) == 0)

    assert queue.seen == Counter(bodies)
    assert max(queue.sizes) == 10


def test_a_record_is_one_of_lambda_s(queue: Queue):
    queue.send("a body")
    found = []

    queue.feed(found.extend, lambda: queue.left(queue.url) == 0)

    [record] = found
    assert record["body"] == "a body"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == "arn:aws:sqs:us-east-1:123456789012:live"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"


def test_only_the_messages_that_failed_come_again(queue: Queue):
    queue.send("good", "bad once", "good too")

    def answer(records: list[dict]) -> object:
        bad = [each for each in records if each["body"] == "bad once" and queue.seen["bad once"] == 1]
        return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in bad]}

    queue.feed(answer, lambda: queue.left(queue.url) == 0)

    assert queue.seen == Counter({"good": 1, "bad once": 2, "good too": 1})
    assert queue.left(queue.dead) == 0


@pytest.mark.parametrize("how", ["crash", "no JSON object", "an id that was not sent"])
def test_a_batch_that_failed_as_a_whole_comes_again(queue: Queue, how: str):
    queue.send("a", "b")

    def answer(records: list[dict]) -> object:
        if queue.seen["a"] > 1:
            return None
        if how == "crash":
            raise Crashed("killed")
        return ["?"] if how == "no JSON object" else {"batchItemFailures": [{"itemIdentifier": "?"}]}

    queue.feed(answer, lambda: queue.left(queue.url) == 0)

    assert queue.seen == Counter({"a": 2, "b": 2})


def test_a_message_that_fails_time_after_time_ends_in_the_dead_letter_queue(queue: Queue):
    queue.send("poison")

    def answer(records: list[dict]) -> object:
        return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in records]}

    queue.feed(answer, lambda: queue.left(queue.dead) == 1)

    assert queue.seen["poison"] == 3
    assert queue.left(queue.url) == 0


def test_duplicates_come_when_asked_for(queue: Queue):
    queue.send("a")

    queue.feed(lambda records: None, lambda: queue.left(queue.url) == 0, replace(SETTINGS, duplicates=1.0))

    assert queue.seen["a"] == 2


def test_what_is_under_way_when_the_service_stops_comes_again(queue: Queue):
    queue.send("a")

    async def never(event: bytes) -> bytes:
        queue.seen["a"] += 1
        await asyncio.Event().wait()
        return b""

    async def run() -> None:
        mapping = EventSourceMapping(queue.sqs, queue.url, queue.arn(queue.url), never, SETTINGS)
        mapping.start()
        async with asyncio.timeout(20):
            while not queue.seen:
                await asyncio.sleep(0.01)
        await mapping.close()

    asyncio.run(run())
    assert queue.left(queue.url) == 1
