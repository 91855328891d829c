"""Does what the event's body tells it: for tests of the service around it."""

import base64
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

_requests = itertools.count(1)


def handler(event, context):
    count = next(_requests)
    began_s = time.monotonic()
    try:
        body = event.get("body") or "{}"
        order = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    except ValueError:
        order = {}
    if isinstance(order, dict):
        for name, value in order.items():
            if name in _ACTIONS:
                result = _ACTIONS[name](value)
                if result is not None:
                    return result
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(
            {
                "event": event,
                "pid": os.getpid(),
                "count": count,
                "began_s": began_s,
                "ended_s": time.monotonic(),
                "arn": context.invoked_function_arn,
                "request_id": context.aws_request_id,
                "remaining_ms": context.get_remaining_time_in_millis(),
                "environment": dict(os.environ),
                "cwd": os.getcwd(),
                "path": sys.path,
            }
        ),
    }


def _child(seconds):
    child = subprocess.Popen([sys.executable, "-S", "-c", f"import time; time.sleep({seconds})"])
    return {"statusCode": 200, "body": json.dumps({"pid": os.getpid(), "child": child.pid})}


def _temporary(text):
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(text)
    return {"statusCode": 200, "body": file.name}


def _end_before_next(seconds):
    def wait_and_end(_client):
        time.sleep(seconds)
        os._exit(0)

    LambdaRuntimeClient.wait_next_invocation = wait_and_end


def _raise(text):
    raise RuntimeError(text)


_ACTIONS = {
    "sleep_s": time.sleep,
    "raise": _raise,
    "end_before_next_s": _end_before_next,
    "exit": os._exit,
    "signal": lambda name: os.kill(os.getpid(), signal.Signals[name]),
    "print": lambda text: print(text, flush=True),  # noqa: T201
    "print_to_stderr": lambda text: print(text, file=sys.stderr, flush=True),  # noqa: T201
    "child_s": _child,
    "temporary": _temporary,
    "return": lambda result: result,
    "return_bytes": lambda count: {"statusCode": 200, "body": "x" * count},
    "unserialisable": lambda _: {"statusCode": 200, "body": object()},
}
