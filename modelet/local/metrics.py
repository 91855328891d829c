"""Figures of the service and of its functions, as Prometheus text.

The functions write CloudWatch's embedded metric format (EMF); here each line becomes samples under the
names and dimensions that CloudWatch would show, so that a dashboard can be tried without an account.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_Labels = tuple[tuple[str, str], ...]
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_]")
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# Spread over what milliseconds and bytes of a request come to; other units fall in where they may.
_BOUNDS = tuple(float(digit * 10**power) for power in range(-2, 8) for digit in (1, 2, 5))


class ServiceMetrics:
    """The registry behind `/metrics`."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._emf = _EmfCollector()
        self._registry.register(self._emf)
        self.requests = Counter(
            "modelet_gateway_requests",
            "HTTP requests by function, the alias it was called by, and status",
            ["function", "alias", "status"],
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "modelet_gateway_seconds",
            "From the last byte of a request to its response",
            ["function", "alias"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.environments = Gauge(
            "modelet_function_environments", "Processes that are up", ["function"], registry=self._registry
        )
        self.init_seconds = Histogram(
            "modelet_function_init_seconds",
            "From launching a process to its first request",
            ["function"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.restore_seconds = Histogram(
            "modelet_function_restore_seconds",
            "With SnapStart, from the end of the snapshot to the first request",
            ["function"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.failures = Counter(
            "modelet_function_failures",
            "Requests the service had to answer for a function",
            ["function", "kind"],
            registry=self._registry,
        )

    def record_emf(self, document: Mapping[str, object]) -> None:
        """Take one EMF document; what is not in its form is left out."""
        self._emf.record(document)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)


@dataclass(slots=True)
class _Series:
    """One metric with one set of dimensions: a sum for counts, a histogram for everything else."""

    total: float = 0.0
    count: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))

    def add(self, values: Iterable[float]) -> None:
        for value in values:
            self.total += value
            self.count += 1
            self.buckets[bisect_left(_BOUNDS, value)] += 1


class _EmfCollector(Collector):
    """Keeps samples by name; metrics of one name may have different dimensions, as in CloudWatch."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], dict[_Labels, _Series]] = {}

    def record(self, document: Mapping[str, object]) -> None:
        for directive in _directives(document):
            labels = _labels(directive, document)
            namespace = str(directive.get("Namespace", ""))
            for metric in _mappings(directive.get("Metrics")):
                name = str(metric.get("Name", ""))
                values = [value for value in _list(document.get(name)) if _is_number(value)]
                if values:
                    key = (_legal(f"{namespace}_{name}"), str(metric.get("Unit", "None")))
                    by_labels = self._series.setdefault(key, {})
                    by_labels.setdefault(labels, _Series()).add(float(str(value)) for value in values)

    def collect(self) -> Iterator[Metric]:
        for (name, unit), by_labels in list(self._series.items()):
            kind = "counter" if unit == "Count" else "histogram"
            metric = Metric(name, f"{name} in {unit}, as the functions report it", kind)
            for labels, series in by_labels.items():
                if kind == "counter":
                    metric.add_sample(f"{name}_total", dict(labels), series.total)
                else:
                    _add_histogram(metric, name, dict(labels), series)
            yield metric


def _add_histogram(metric: Metric, name: str, labels: dict[str, str], series: _Series) -> None:
    below = 0
    for bound, count in zip((*_BOUNDS, float("inf")), series.buckets, strict=True):
        below += count
        text = "+Inf" if bound == float("inf") else f"{bound:g}"
        metric.add_sample(f"{name}_bucket", {**labels, "le": text}, below)
    metric.add_sample(f"{name}_count", labels, series.count)
    metric.add_sample(f"{name}_sum", labels, series.total)


def _directives(document: Mapping[str, object]) -> list[Mapping[str, object]]:
    metadata = document.get("_aws")
    return _mappings(metadata.get("CloudWatchMetrics")) if isinstance(metadata, Mapping) else []


def _labels(directive: Mapping[str, object], document: Mapping[str, object]) -> _Labels:
    """The finest of the dimension sets: the others are sums over it."""
    sets = [names for names in _list(directive.get("Dimensions")) if isinstance(names, list)]
    finest: list[object] = max(sets, key=len, default=[])
    return tuple(sorted((_legal(str(name)), str(document.get(str(name), ""))) for name in finest))


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [item for item in _list(value) if isinstance(item, Mapping)]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _legal(name: str) -> str:
    return _ILLEGAL.sub("_", name).lower().strip("_")
