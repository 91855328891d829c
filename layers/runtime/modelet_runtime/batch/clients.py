"""AWS, by botocore alone: boto3 adds resources and sessions that nobody here needs.

Imported by the batch function only; the option layer `batch` holds it.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError as AwsError

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=24,
    retries={"mode": "standard", "total_max_attempts": 6},
    # Ranges have no checksum of the whole object, and uploads are checked by Content-MD5's successor.
    response_checksum_validation="when_required",
)


def client_factory() -> Callable[[str], Any]:
    """Makes clients of services by name, all of one session."""
    session = botocore.session.get_session()
    session.register("before-call.sqs.SendMessage", _without_lineage)
    return lambda service: session.create_client(service, config=_CONFIG)


def _without_lineage(params: Mapping[str, Any], **_: object) -> None:
    """Send a trace without the count by which Lambda ends loops after some 16 turns.

    A run goes on by a message to the function's own queue, as often as it takes, and attempts without
    progress are counted in the table. Other loops are still ended.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """
    fields = os.environ.get("_X_AMZN_TRACE_ID", "").split(";")
    if kept := ";".join(each for each in fields if each and not each.startswith("Lineage=")):
        params["headers"]["X-Amzn-Trace-Id"] = kept


class Queue:
    """The queue that feeds this function."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, body: str, delay_s: int = 0) -> None:
        """Have a message come back, at the earliest after a delay (SQS's limit is 900 s)."""
        self._client.send_message(
            QueueUrl=self._url, MessageBody=body, DelaySeconds=max(0, min(900, delay_s))
        )


class StateMachine:
    """The state machine that runs the parts of big inputs."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def start(self, name: str, document: str) -> None:
        """Begin an execution; one of that name is enough."""
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=name, input=document)
        except AwsError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
