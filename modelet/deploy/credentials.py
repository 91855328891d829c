"""Who asks: the caller of AWS's own signature, or whoever brings a header."""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from modelet.deploy.proof import Credentials

# As API Gateway is called in a signature.
_SERVICE = "execute-api"


def signed(region: str, session: Any = None) -> Credentials:
    """Sign each request with the credentials of a boto3 session; by default that of the environment."""
    keys = (session or boto3.Session()).get_credentials().get_frozen_credentials()

    def sign(url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        request = AWSRequest("POST", url, data=body, headers=dict(headers))
        SigV4Auth(keys, _SERVICE, region).add_auth(request)
        return dict(request.headers.items())

    return sign


def named(extra: Mapping[str, str]) -> Credentials:
    """Send these headers with each request, such as an API key or a token."""
    return lambda _url, _headers, _body: extra
