"""What the batch function calls besides table and buckets: its queue and its state machine."""

from typing import Any

from botocore.exceptions import ClientError as AwsError


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
