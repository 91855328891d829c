"""What the service answers instead of a function's own response.

Each class carries the status and the `message` that Amazon's HTTP API gives in the case; the text of
the exception is ours and says, on this machine only, what happened. The one place where we differ on
purpose is `Crashed`: the cloud answers 500 there.

    ServiceError
    ├── RequestTooLarge       413 Request Entity Too Large   over API Gateway's or Lambda's limit
    ├── RouteNotFound         404 Not Found
    ├── Throttled             429 Too Many Requests          the function's concurrency is used up
    ├── IntegrationTimeout    503 Service Unavailable        API Gateway's 30 s passed
    ├── Stopping              503 Service Unavailable        the service is being stopped
    ├── StillStarting         503 Service Unavailable        jobs and uploads, before S3 is up
    ├── AliasUnavailable      503 Service Unavailable        live or canary is at what cannot answer
    └── FunctionError         500 Internal Server Error
        ├── HandlerRaised     the handler raised
        ├── InitFailed        the process did not get as far as its first request
        │   ├── InitTimedOut
        │   └── RestoreFailed its hooks after a restore failed, or took too long
        ├── TimedOut          the function's own timeout passed
        ├── MalformedResponse the function answered, but nothing an HTTP API can send on
        ├── ResponseTooLarge  over Lambda's limit
        └── Crashed           502 Bad Gateway                the process ended during the request

Source: statuses of timeouts: https://github.com/serverless/serverless/issues/11222 (503 of the gateway),
https://github.com/denoland/deno_registry2/issues/87 (500 of the function);
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
"""

from collections.abc import Mapping
from typing import ClassVar


class ServiceError(Exception):
    """Base of everything the service answers itself; its text may be shown to the caller."""

    status: ClassVar[int] = 500
    message: ClassVar[str] = "Internal Server Error"
    headers: ClassVar[Mapping[str, str]] = {}


class RequestTooLarge(ServiceError):
    """The body is over API Gateway's limit, or the event made of it over Lambda's."""

    status = 413
    message = "Request Entity Too Large"


class RouteNotFound(ServiceError):
    """No function stands behind this path."""

    status = 404
    message = "Not Found"


class Throttled(ServiceError):
    """As many requests are under way as the function may have environments."""

    status = 429
    message = "Too Many Requests"
    headers: ClassVar[Mapping[str, str]] = {"retry-after": "1"}


class IntegrationTimeout(ServiceError):
    """The function did not answer while API Gateway waited; it goes on running, as in the cloud."""

    status = 503
    message = "Service Unavailable"


class Stopping(ServiceError):
    """The service is being stopped and starts nothing more."""

    status = 503
    message = "Service Unavailable"


class StillStarting(ServiceError):
    """What jobs and uploads need is not up yet; the cloud does not know the case."""

    status = 503
    message = "Service Unavailable"
    headers: ClassVar[Mapping[str, str]] = {"retry-after": "2"}


class AliasUnavailable(ServiceError):
    """An alias is at a version that is not there, not built here or not proven; the text says what to do.

    The cloud does not know the case: such a model is not deployed.
    """

    status = 503
    message = "Service Unavailable"
    headers: ClassVar[Mapping[str, str]] = {"retry-after": "5"}


class FunctionError(ServiceError):
    """The function failed; details are in its log, never in the answer."""


class HandlerRaised(FunctionError):
    """The handler raised an exception that it did not handle."""


class InitFailed(FunctionError):
    """The function's process could not be brought to its first request."""


class InitTimedOut(InitFailed):
    """It took too long, and may be tried once more."""


class RestoreFailed(InitFailed):
    """An environment that was initialised could not be restored; nothing of it is tried again."""


class TimedOut(FunctionError):
    """The function's own timeout passed; its process is killed."""


class MalformedResponse(FunctionError):
    """What the function returned is not a response of payload format 2.0."""


class ResponseTooLarge(FunctionError):
    """The function's result is over Lambda's limit; its runtime gives up and ends."""


class Crashed(FunctionError):
    """The function's process ended during the request."""

    status = 502
    message = "Bad Gateway"


class NeverDelivered(Exception):
    """The environment ended before it had taken the request, which another one can still answer."""
