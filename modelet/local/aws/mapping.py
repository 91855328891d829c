"""Feeds a function from a queue, as Lambda's event source mapping does.

Messages come in batches and stay invisible while the function has them. Those it did not fail are deleted;
the others come again, and after as many receives as the queue allows the queue itself moves them to its
dead-letter queue. A function that crashes, raises or is throttled has failed the whole batch.

In the cloud a failed message comes again when its visibility timeout is over, which is longer than the
function may run: a quarter of an hour. Here it comes again after `retry_s`.

Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from modelet.local.errors import ServiceError
from modelet.local.process import REGION

Message = Mapping[str, Any]
# Runs the function over an event and gives its result, as `Function.invoke` does.
Invoke = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """How a function is fed.

    Attributes:
        batch_size: Messages in one event, at most 10.
        concurrency: Events at once.
        wait_s: How long the queue holds a request while it is empty; 0 answers at once.
        poll_s: How long an empty queue is left alone after that.
        retry_s: When a failed message comes again.
        duplicates: Share of events that are delivered once more although they were done.
        seed: For the choice of these.
    """

    batch_size: int = 10
    concurrency: int = 2
    wait_s: int = 0
    poll_s: float = 0.25
    retry_s: float = 1.0
    duplicates: float = 0.0
    seed: int = 0


class EventSourceMapping:
    """Polls a queue until it is closed.

    Args:
        sqs: A boto3 client.
        queue_url: The queue.
        queue_arn: Its ARN, which events name.
        invoke: The function.
        settings: How to feed it.
    """

    def __init__(
        self,
        sqs: Any,
        queue_url: str,
        queue_arn: str,
        invoke: Invoke,
        settings: MappingSettings | None = None,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._queue_arn = queue_arn
        self._invoke = invoke
        self._settings = settings or MappingSettings()
        self._random = Random(self._settings.seed)  # noqa: S311 - repeatable, not secret
        self._free = asyncio.Semaphore(self._settings.concurrency)
        self._events: set[asyncio.Task[None]] = set()
        self._poller: asyncio.Task[None] | None = None
        # Of its own: a thread waits in the queue most of the time, which others need not wait for.
        self._thread = ThreadPoolExecutor(1, "modelet-queue")

    def start(self) -> None:
        """Begin to poll."""
        self._poller = asyncio.create_task(self._poll())

    async def close(self) -> None:
        """Poll no more; events under way are abandoned, and their messages come again."""
        tasks = [*self._events, *([self._poller] if self._poller else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _poll(self) -> None:
        while True:
            await self._free.acquire()
            messages: Sequence[Message] = ()
            with contextlib.suppress(Exception):  # the emulator is going down, or was busy
                messages = await asyncio.get_running_loop().run_in_executor(self._thread, self._receive)
            if not messages:
                self._free.release()
                await asyncio.sleep(self._settings.poll_s)
                continue
            task = asyncio.create_task(self._deliver(messages))
            self._events.add(task)
            task.add_done_callback(self._on_delivered)

    def _on_delivered(self, task: asyncio.Task[None]) -> None:
        self._events.discard(task)
        self._free.release()

    async def _deliver(self, messages: Sequence[Message]) -> None:
        """Give a batch to the function and settle each of its messages."""
        failed = await self._failed(messages)
        done = [message for message in messages if message["MessageId"] not in failed]
        if self._random.random() < self._settings.duplicates:
            await self._failed(messages)
        await asyncio.to_thread(self._settle, done, [message for message in messages if message not in done])

    async def _failed(self, messages: Sequence[Message]) -> frozenset[str]:
        """The ids of the messages the function failed."""
        event = {"Records": [self._record(message) for message in messages]}
        everything = frozenset(message["MessageId"] for message in messages)
        try:
            result = orjson.loads(await self._invoke(orjson.dumps(event)))
            failures = (result or {}).get("batchItemFailures") or []
            failed = frozenset(failure["itemIdentifier"] for failure in failures)
        except (ServiceError, orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            return everything
        # As Lambda has it: an answer that names a message that was not sent fails them all.
        return failed if failed <= everything else everything

    def _receive(self) -> Sequence[Message]:
        answer = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=self._settings.batch_size,
            WaitTimeSeconds=self._settings.wait_s,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: Sequence[Message] = answer.get("Messages", ())
        return messages

    def _settle(self, done: Sequence[Message], failed: Sequence[Message]) -> None:
        with contextlib.suppress(Exception):  # what is not deleted comes again, as it may at any time
            for message in done:
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
            for message in failed:
                self._sqs.change_message_visibility(
                    QueueUrl=self._queue_url,
                    ReceiptHandle=message["ReceiptHandle"],
                    VisibilityTimeout=round(self._settings.retry_s),
                )

    def _record(self, message: Message) -> dict[str, Any]:
        """A message as an event has it."""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": message.get("MessageAttributes", {}),
            "md5OfBody": message.get("MD5OfBody", ""),
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue_arn,
            "awsRegion": REGION,
        }
