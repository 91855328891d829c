"""Clients of AWS for an endpoint: only functions in front of one pay for them."""

from typing import Any


def client(service: str, connect_s: float, read_s: float, attempts: int = 1, url: str | None = None) -> Any:
    """A client of one service.

    Args:
        service: As botocore names it.
        connect_s: How long a connection may take.
        read_s: How long each read may take.
        attempts: All in all; botocore's retries know nothing of a request's deadline.
        url: Of the API, if it is not AWS's.
    """
    from botocore.config import Config  # noqa: PLC0415

    from modelet_runtime.aws import client_factory  # noqa: PLC0415

    retries = {"mode": "standard", "total_max_attempts": attempts}
    return client_factory()(
        service, Config(connect_timeout=connect_s, read_timeout=read_s, retries=retries), url
    )
