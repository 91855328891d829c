"""AWS, by botocore alone: boto3 adds resources and sessions that nobody here needs.

Imported only by what calls AWS, and then when it does; the option layer `aws` holds botocore.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from modelet_runtime.errors import NotReady

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=24,
    retries={"mode": "standard", "total_max_attempts": 6},
    # Ranges have no checksum of the whole object, and uploads are checked by Content-MD5's successor.
    response_checksum_validation="when_required",
)

# Makes a client of a service by its name, with a configuration where it needs more than all have.
ClientFactory = Callable[..., Any]


def client_factory() -> ClientFactory:
    """Makes clients of services by name, all of one session."""
    session = botocore.session.get_session()
    session.register("before-call.sqs.SendMessage", _without_lineage)

    def client(service: str, config: Config | None = None, url: str | None = None) -> Any:
        merged = _CONFIG.merge(config) if config else _CONFIG
        return session.create_client(service, config=merged, endpoint_url=url)

    return client


@contextmanager
def reachable(what: str) -> Iterator[None]:
    """Call AWS for somebody who waits.

    Args:
        what: What is called, for the message.

    Raises:
        NotReady: (503) AWS did not do it.
    """
    try:
        yield
    except ClientError as error:
        raise NotReady(f"{what}: {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise NotReady(f"{what}: {type(error).__name__}") from error


def _without_lineage(params: Mapping[str, Any], **_: object) -> None:
    """Send a trace without the count by which Lambda ends loops after some 16 turns.

    A run goes on by a message to the function's own queue, as often as it takes, and attempts without
    progress are counted in the table. Other loops are still ended.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """
    fields = os.environ.get("_X_AMZN_TRACE_ID", "").split(";")
    if kept := ";".join(each for each in fields if each and not each.startswith("Lineage=")):
        params["headers"]["X-Amzn-Trace-Id"] = kept
