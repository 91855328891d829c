"""Tells what its hooks around the snapshot did, in which order; one of them can fail or take its time."""

import json
import os
import random
import time

from snapshot_restore_py import register_after_restore, register_before_snapshot

_done = ["init"]
# What a snapshot is: the same state in every environment.
random.seed(1)


def _do(step):
    _done.append(step)
    if os.environ.get("FAILS") == step:
        raise LookupError("no such lunch")
    if os.environ.get("SLEEPS") == step:
        time.sleep(30)


register_before_snapshot(_do, "before, registered first")
register_before_snapshot(_do, "before, registered second")
register_after_restore(_do, "after, registered first")
register_after_restore(_do, "after, registered second")


def handler(event, context):
    body = {"done": _done, "pid": os.getpid(), "kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
    return {"statusCode": 200, "body": json.dumps(body)}
