"""All logs and metrics of the runtime: one line of metrics per request, never a payload.

Each request writes one blob of CloudWatch's embedded metric format, with the model and its version
as dimensions; what was called by an alias is counted once more under that, and an error under its
code. The blobs are what Powertools' Metrics would write, and its Logger writes what went wrong; it is
imported when that happens, because it would take a quarter of a cold start (decision 0022).

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Any

import orjson

from modelet_runtime.errors import ModeletError
from modelet_runtime.http.failures import code_of
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.manifest import Manifest
from modelet_runtime.session import served_by
from modelet_runtime.statistics import Statistics

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

NAMESPACE = "modelet"
# What rings a deployed model's alarm and rolls a canary back. Not 501 and 504: with an extension that
# does not exist or a timeout of a microsecond, any caller could.
_FAULTS = frozenset({500, 502, 503})

_BY_CODE = {
    "Namespace": NAMESPACE,
    "Dimensions": [["model", "version", "code"]],
    "Metrics": [{"Name": "errors", "Unit": "Count"}],
}
# What tells a canary from live, whichever versions they are at; more would cost more than it says.
_BY_ALIAS = {"requests": "Count", "faults": "Count", "infer_ms": "Milliseconds"}


@dataclass(frozen=True, slots=True)
class ColdStart:
    """How long bringing the function up took.

    Attributes:
        init_ms: From the first line of the runtime until it could answer.
        session_load_ms: Verifying the artifact and creating the session, in its own thread.
    """

    init_ms: float
    session_load_ms: float


class Telemetry:
    """Logs and metrics of one model's function. Safe to call from several threads.

    Args:
        manifest: The model.
        statistics: Its counters: what they grew by since the last request is this one's.
        cold_start: Reported with the first request, or where there is a snapshot before it is taken.
    """

    def __init__(self, manifest: Manifest, statistics: Statistics, cold_start: ColdStart) -> None:
        self._dimensions = {"model": manifest.name, "version": str(manifest.version)}
        self._statistics = statistics
        self._init = {
            "init_ms": _metric("Milliseconds", cold_start.init_ms),
            "session_load_ms": _metric("Milliseconds", cold_start.session_load_ms),
        }
        # What the first request tells besides its own.
        self._first: Mapping[str, dict[str, object]] = {"cold_start": _metric("Count", 1), **self._init}
        self._lock = Lock()
        self._seen_rows = 0
        self._seen_infer_ns = 0

    def observe(self, request: Request, response: Response, error: Exception | None) -> None:
        """Write one request's metrics, and why it failed if that was our fault."""
        metrics = {
            "requests": _metric("Count", 1),
            "errors": _metric("Count", 0 if error is None else 1),
            "faults": _metric("Count", 1 if response.status in _FAULTS else 0),
            "request_bytes": _metric("Bytes", len(request.body)),
            "response_bytes": _metric("Bytes", len(response.body)),
            **self._since_last_request(),
        }
        properties = {"request_id": request.request_id, "status": response.status}
        if (server := served_by.get()) is not None:
            metrics["served_by_twin"] = _metric("Count", 1)
            properties["served_by"] = server
        blob = self._blob(metrics, properties)
        if request.alias is not None:
            blob["alias"] = request.alias
            blob["_aws"]["CloudWatchMetrics"].append(_by_alias(metrics))
        if error is not None:
            blob["code"] = code_of(error)
            blob["_aws"]["CloudWatchMetrics"].append(_BY_CODE)
        _write(blob)
        if error is not None and response.status >= ModeletError.status:
            self._log_failure(error, request.request_id)

    def report_init(self) -> None:
        """Write how long the init took; it happens once for a snapshot, and no request waits for it."""
        _write(self._blob(self._init, {}))

    def on_restore(self) -> None:
        """Have the first request say that a restore came before it, and no init."""
        self._first = {"cold_start": _metric("Count", 1), "restores": _metric("Count", 1)}

    def warn(self, message: str, error: ModeletError) -> None:
        """Log what went wrong without harm to any request."""
        self._logger.warning(message, extra={"error": str(error), "code": error.code})

    def _since_last_request(self) -> dict[str, dict[str, object]]:
        counted = self._statistics.as_dict()
        rows, infer_ns = counted["inference_count"], counted["inference_stats"]["compute_infer"]["ns"]
        with self._lock:
            first, self._first = self._first, {}
            new_rows, self._seen_rows = rows - self._seen_rows, rows
            new_infer_ns, self._seen_infer_ns = infer_ns - self._seen_infer_ns, infer_ns
        metrics = {"cold_start": _metric("Count", 0), **first}
        if new_rows:
            metrics["rows"] = _metric("Count", new_rows)
            metrics["infer_ms"] = _metric("Milliseconds", new_infer_ns / 1e6)
        return metrics

    def _blob(
        self, metrics: Mapping[str, Mapping[str, object]], properties: Mapping[str, object]
    ) -> dict[str, Any]:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [[*self._dimensions]],
            "Metrics": [{"Name": name, "Unit": metric["Unit"]} for name, metric in metrics.items()],
        }
        return {
            "_aws": {"Timestamp": int(time() * 1000), "CloudWatchMetrics": [directive]},
            **self._dimensions,
            **properties,
            **{name: metric["Value"] for name, metric in metrics.items()},
        }

    @cached_property
    def _logger(self) -> "Logger":
        from aws_lambda_powertools import Logger  # noqa: PLC0415  only where something went wrong

        logger = Logger(service=self._dimensions["model"])
        logger.append_keys(**self._dimensions)
        return logger

    def _log_failure(self, error: Exception, request_id: str) -> None:
        """Log a server error with where it happened.

        The text of a foreign exception may quote what a caller sent, so only its type is logged.
        """
        keys: dict[str, object] = {
            "request_id": request_id,
            "code": code_of(error),
            "exception": type(error).__qualname__,
            "stack": traceback.format_tb(error.__traceback__),
        }
        if isinstance(error, ModeletError):
            keys["error"] = str(error)
        self._logger.error("request failed", extra=keys)


def _write(blob: Mapping[str, object]) -> None:
    sys.stdout.write(orjson.dumps(blob).decode() + "\n")


def _by_alias(metrics: Mapping[str, object]) -> dict[str, object]:
    """Count a request once more under the alias it was called by."""
    return {
        "Namespace": NAMESPACE,
        "Dimensions": [["model", "alias"]],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in _BY_ALIAS.items() if name in metrics],
    }


def _metric(unit: str, value: float) -> dict[str, object]:
    return {"Unit": unit, "Value": value}
