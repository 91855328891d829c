"""The topic that hears of an endpoint's answers, and the function that is subscribed to it.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import orjson

from modelet.local.aws.event_queue import EventQueue, Invoke
from modelet.local.events import ACCOUNT_ID
from modelet.local.process import REGION
from modelet_runtime.aliases import LIVE


class Topic:
    """Gives what is published to the live function of the endpoint's model.

    Args:
        find: What invokes a function, by its name; raises KeyError for one that there is not.
        queue: Lambda's, for asynchronous events.
    """

    def __init__(self, find: Callable[[str], Invoke], queue: EventQueue) -> None:
        self._find = find
        self._queue = queue

    async def publish(self, endpoint: str, message: dict[str, Any]) -> None:
        """Deliver a message, if there is somebody to have it."""
        with suppress(KeyError):
            self._queue.put(self._find(endpoint), sns_event(endpoint, message), LIVE)


def sns_event(topic: str, message: dict[str, Any]) -> bytes:
    """A message as SNS gives it to a function."""
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:{topic}"
    notification: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": arn,
        "Subject": None,
        "Message": orjson.dumps(message).decode(),
        "Timestamp": "1970-01-01T00:00:00.000Z",
        "MessageAttributes": {},
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": f"{arn}:{uuid4()}",
        "Sns": notification,
    }
    return orjson.dumps({"Records": [record]})
