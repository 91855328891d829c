"""Lambda's entry point for the HTTP API's authorizer: may the bearer of this key use this route?"""

import logging
import os
from typing import Any

import boto3
from authorizer.gate import Gate, Verdict
from authorizer.store import KeyStore

_dynamodb = boto3.client("dynamodb")
_gate = Gate(KeyStore(_dynamodb, os.environ["MODELET_KEYS"], os.environ["MODELET_USAGE"]))
_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer in the simple form of payload format 2.0; whatever goes wrong, the answer is no."""
    try:
        verdict = _gate.judge((event.get("headers") or {}).get("x-api-key", ""), event["routeKey"])
    except Exception:
        _log.exception("no decision, so refused")
        verdict = Verdict(False, "", "error")
    if not verdict.is_allowed:
        _log.info("refused", extra={"key_id": verdict.key_id, "reason": verdict.reason})
    return {
        "isAuthorized": verdict.is_allowed,
        "context": {"key_id": verdict.key_id, "reason": verdict.reason},
    }
