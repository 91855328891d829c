"""Where batch inference happens: at the local service, or in a stage of an account."""

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from modelet.errors import ServiceRefused
from modelet.local.aws.names import DEFAULT_PORT, INPUT_BUCKET, OUTPUT_BUCKET, TABLE, lane

_LOCAL = f"http://127.0.0.1:{DEFAULT_PORT}"
_PROBE_S = 2.0
# As credentials: the emulator takes all, but clients refuse to call without.
_ANY = "local"
_REGION = "us-east-1"
# What `infra/` says of a stage: once, and for each version of a model.
_OUTPUTS = ("BatchInput", "BatchOutput", "BatchTable")
_QUEUE = "BatchQueue"


@dataclass(frozen=True)
class Places:
    """Buckets, the table and queues.

    Attributes:
        session: Makes clients.
        inputs: The input bucket.
        outputs: The output bucket.
        table: The table of runs.
        endpoint_url: Of all services; None is AWS.
        queues: URLs of queues by `NAME@VERSION`, as the stacks have them; None where names tell.
    """

    session: Any
    inputs: str
    outputs: str
    table: str
    endpoint_url: str | None = None
    queues: Mapping[str, str] | None = None

    @classmethod
    def local(cls, url: str) -> Self:
        """Those of a local service."""
        session = boto3.Session(aws_access_key_id=_ANY, aws_secret_access_key=_ANY, region_name=_REGION)
        return cls(session, INPUT_BUCKET, OUTPUT_BUCKET, TABLE, url.rstrip("/"))

    @classmethod
    def of_stage(cls, stage: str, session: Any = None) -> Self:
        """Those of a stage, by the outputs of its stacks.

        Raises:
            ServiceRefused: AWS does not answer, or the stage has no batch inference.
        """
        session = session or boto3.Session()
        outputs: dict[str, str] = {}
        queues: dict[str, str] = {}
        try:
            pages = session.client("cloudformation").get_paginator("describe_stacks").paginate()
            for stack in (stack for page in pages for stack in page["Stacks"]):
                if not stack["StackName"].startswith(f"modelet-{stage}-"):
                    continue
                found = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}
                outputs |= {key: value for key, value in found.items() if key in _OUTPUTS}
                queues |= {
                    f"{found['Model']}@{key.removeprefix(_QUEUE)}": value
                    for key, value in found.items()
                    if key.startswith(_QUEUE) and key != _QUEUE
                }
        except (BotoCoreError, ClientError) as error:
            raise ServiceRefused(f"the stacks of stage {stage} cannot be read: {error}") from error
        if missing := [key for key in _OUTPUTS if key not in outputs]:
            raise ServiceRefused(
                f"no stack modelet-{stage}-* has an output {', '.join(missing)}",
                "deploy a model with `[batch] enabled = true` to the stage first",
            )
        inputs, results, table = (outputs[key] for key in _OUTPUTS)
        return cls(session, inputs, results, table, queues=queues)

    def client(self, service: str) -> Any:
        """A client of one service."""
        config = Config(s3={"addressing_style": "path"}) if self.endpoint_url else None
        return self.session.client(service, endpoint_url=self.endpoint_url, config=config)

    def queue_url(self, model: str, version: int) -> str:
        """The queue of a version.

        Raises:
            ServiceRefused: It has none.
        """
        wanted = f"{model}@{version}"
        if self.queues is not None:
            if wanted in self.queues:
                return self.queues[wanted]
            raise ServiceRefused(f"{wanted} takes no batches in this stage", "deploy it with `[batch]`")
        try:
            url: str = self.client("sqs").get_queue_url(QueueName=lane(model, version))["QueueUrl"]
        except ClientError as error:
            raise ServiceRefused(f"{wanted} takes no batches: {error}") from error
        return url


def find(endpoint_url: str | None, stage: str | None) -> Places:
    """What a person means who names a URL, a stage, or neither.

    Raises:
        ServiceRefused: There is no such place.
    """
    if stage is not None:
        return Places.of_stage(stage)
    url = endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or _LOCAL
    if not _is_emulator(url):
        raise ServiceRefused(
            f"no local service has its S3 at {url}",
            "run `modelet serve` with a model that takes batches, or name it with --endpoint-url,"
            " or an account with --stage",
        )
    return Places.local(url)


def _is_emulator(url: str) -> bool:
    """Whether the local service's emulator listens there, and not just any S3."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/moto-api/", timeout=_PROBE_S) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
