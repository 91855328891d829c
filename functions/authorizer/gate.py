"""The decision: a known, valid key, a scope that covers the route, a quota that is not used up."""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

PREFIX = "mk"
ANY = "*"
READ, PREDICT = "read", "predict"
# The first segment of a model's path, and where its name stands in it.
_NAME_AT = {"v1": 3, "v2": 3, "models": 2}
# Of jobs, whose ids nobody knows but who sent them. They name no model; whoever may predict needs them.
_JOBS = frozenset({"GET /jobs/{job}", "POST /uploads"})


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored: never the key itself.

    Attributes:
        key_id: The part of the key that is no secret.
        digest: SHA-256 of the secret part, in hex. It is random and long, so that no salt or slow
            hash is needed.
        scopes: `<action>:<model>`; the action is `read` or `predict`, which covers reading, and either
            may be `*`.
        requests_per_day: Its quota; None is none.
        expires_at_s: When it ends, in seconds since the epoch; None is never.
    """

    key_id: str
    digest: str
    scopes: frozenset[str]
    requests_per_day: int | None = None
    expires_at_s: int | None = None


class Store(Protocol):
    """Where keys and counts are kept."""

    def find(self, key_id: str) -> Key | None:
        """A key by its id."""
        ...

    def count(self, key_id: str, day: str, limit: int) -> bool:
        """Count one request of a day, unless that would be more than the limit."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, and why, for the access log."""

    is_allowed: bool
    key_id: str
    reason: str


class Gate:
    """Decides on requests. Nothing is allowed that is not allowed by name."""

    def __init__(self, store: Store, now_s: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now_s = now_s

    def judge(self, text: str, route_key: str) -> Verdict:
        """May the bearer of the key `text` use the route?

        Args:
            text: `mk_<id>_<secret>`, as the caller sent it.
            route_key: The route API Gateway chose, which names the model; never the path, which
                may be written in more than one way.
        """
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not key_id or not secret:
            return Verdict(False, "", "malformed")
        key = self._store.find(key_id)
        if key is None or not hmac.compare_digest(key.digest, digest_of(secret)):
            return Verdict(False, key_id, "unknown")
        now_s = self._now_s()
        if key.expires_at_s is not None and key.expires_at_s <= now_s:
            return Verdict(False, key_id, "expired")
        if not covers(key.scopes, route_key):
            return Verdict(False, key_id, "scope")
        day = datetime.fromtimestamp(now_s, UTC).date().isoformat()
        if key.requests_per_day is not None and not self._store.count(key_id, day, key.requests_per_day):
            return Verdict(False, key_id, "quota")
        return Verdict(True, key_id, "ok")


def covers(scopes: frozenset[str], route_key: str) -> bool:
    """Whether one of the scopes covers a route.

    A route without a model is the catalog's, which speaks of all models: only `*` for the model covers it.
    """
    if route_key in _JOBS:
        return any(scope.partition(":")[0] in (PREDICT, ANY) for scope in scopes)
    method, _, path = route_key.partition(" ")
    model = _model(path)
    actions = (READ, PREDICT, ANY) if model is None or method == "GET" else (PREDICT, ANY)
    models = (ANY,) if model is None else (model, ANY)
    return any(f"{action}:{name}" in scopes for action in actions for name in models)


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _model(path: str) -> str | None:
    """The model in the path of a route: `/v1/models/<m>:predict`, `/models/<m>/{proxy+}`, ..."""
    parts = path.split("/")
    place = _NAME_AT.get(parts[1]) if len(parts) > 1 else None
    if place is None or len(parts) <= place or parts[place - 1] != "models":
        return None
    return parts[place].partition(":")[0]
