"""The limits of API Gateway and Lambda that fail a request on this machine as they would in the cloud."""

from modelet.local.errors import RequestTooLarge

# Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
GATEWAY_BODY_BYTES = 10 * 1024 * 1024
GATEWAY_TIMEOUT_S = 30.0

# 6 MB each way, of the whole JSON event and of the whole JSON result; the result may be 100 bytes longer.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, exact bytes measured in
# https://zaccharles.medium.com/deep-dive-lambdas-request-payload-size-limit-2-2-6350c1ae5577
LAMBDA_EVENT_BYTES = 6 * 1024 * 1024
LAMBDA_RESULT_BYTES = LAMBDA_EVENT_BYTES + 100

# Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
INIT_TIMEOUT_S = 10.0
# With SnapStart the init is over before anybody calls, and has longer: this, or the function's own timeout.
# Hooks after a restore have what an init has otherwise.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
SNAPSHOT_TIMEOUT_S = 130.0
RESTORE_TIMEOUT_S = 10.0

_LARGE_INPUTS = (
    "send fewer rows at once, the binary form instead of JSON, upload the body by POST /uploads, or send the"
    " file as a batch"
)


def check_body(body_bytes: int) -> None:
    """Refuse a body that API Gateway would not take.

    Raises:
        RequestTooLarge: (413) More than 10 MiB.
    """
    if body_bytes > GATEWAY_BODY_BYTES:
        raise RequestTooLarge(
            f"the body has more than the {GATEWAY_BODY_BYTES:,} bytes API Gateway takes: {_LARGE_INPUTS}"
        )


def check_event(event_bytes: int) -> None:
    """Refuse an event that Lambda would not take: a binary body counts by its base64 form.

    Raises:
        RequestTooLarge: (413) More than 6 MiB.
    """
    if event_bytes > LAMBDA_EVENT_BYTES:
        raise RequestTooLarge(
            f"the event is {event_bytes:,} bytes, Lambda takes {LAMBDA_EVENT_BYTES:,}"
            f" (base64 makes a binary body a third longer): {_LARGE_INPUTS}"
        )
