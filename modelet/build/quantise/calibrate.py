"""The range of every activation over the calibration samples, by four methods from one histogram.

Two passes: the first finds smallest and largest values, the second counts values into bins between them.
Ranges are rounded outwards to eleven significant bits, so that the last bits of a sum, which differ
between CPUs, do not reach the artifact.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx

from modelet.build.quantise.engine import Binding, Feed
from modelet.build.quantise.graph import copy
from modelet.build.quantise.thresholds import entropy, least_squares, percentile

Values = npt.NDArray[np.float32]
Method = Literal["minmax", "percentile", "entropy", "mse"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy", "mse")

BINS = 2048
# More values of one tensor and sample than this are thinned out evenly: the histogram stays the same.
_MOST_VALUES = 1 << 18
_SIGNIFICANT_BITS = 11


@dataclass(slots=True)
class Histogram:
    """How often an activation takes which values.

    Attributes:
        low: Its smallest value.
        high: Its largest.
        counts: Values per bin, from `low` to `high`.
        mean: Its mean per channel, which is the second axis; None if their number varies.
    """

    low: float
    high: float
    counts: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64] | None = None

    def range(self, method: Method, percent: float) -> tuple[float, float]:
        """The values worth telling apart; those outside are cut off.

        Args:
            method: `minmax` keeps all; `percentile` the middle `percent` of the values; `entropy` those
                whose distribution loses least when it is stored in 8 bits; `mse` those whose values do.
            percent: For `percentile`, such as 99.99.
        """
        if method == "minmax" or self.high <= self.low:
            low, high = self.low, self.high
        elif method == "percentile":
            low, high = percentile(self.counts, self.low, self.high, percent)
        else:
            cut = entropy if method == "entropy" else least_squares
            low, high = cut(self.counts, self.low, self.high)
        return _outwards(min(low, 0.0)), _outwards(max(high, 0.0))


Histograms = Mapping[str, Histogram]
Ranges = Mapping[str, tuple[float, float]]


def observe(model: onnx.ModelProto, tensors: Sequence[str], feeds: Sequence[Feed]) -> dict[str, Histogram]:
    """Run the samples and look at activations.

    Args:
        model: A prepared graph.
        tensors: Names of float activations; inputs of the graph are among them.
        feeds: The calibration samples.
    """
    session = Binding(_exposing(model, tensors), "all")
    surveys: dict[str, _Survey] = {}
    for feed in feeds:
        for name, values in _values(session, tensors, feed):
            surveys.setdefault(name, _Survey()).add(values)
    found = {name: survey.to_histogram() for name, survey in sorted(surveys.items())}
    for feed in feeds:
        for name, values in _values(session, tensors, feed):
            _count(found[name], values)
    return found


def ranges(histograms: Histograms, method: Method, percent: float = 99.99) -> dict[str, tuple[float, float]]:
    """The range of every activation that was observed."""
    return {name: histogram.range(method, percent) for name, histogram in histograms.items()}


def means(histograms: Histograms) -> dict[str, npt.NDArray[np.float64]]:
    """The mean per channel of every activation that has one."""
    return {name: histogram.mean for name, histogram in histograms.items() if histogram.mean is not None}


@dataclass(slots=True)
class _Survey:
    """What the first pass finds out about one activation."""

    low: float = np.inf
    high: float = -np.inf
    totals: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add(self, values: Values) -> None:
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        axes = tuple(axis for axis in range(values.ndim) if axis != 1)
        self.totals.append(values.mean(axis=axes, dtype=np.float64).reshape(-1))

    def to_histogram(self) -> Histogram:
        same = len({total.shape for total in self.totals}) == 1
        mean = np.mean(self.totals, axis=0) if same else None
        return Histogram(self.low, self.high, np.zeros(BINS, np.int64), mean)


def _exposing(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """The graph with these activations as its only outputs."""
    exposed = copy(model)
    inputs = {value.name for value in exposed.graph.input}
    exposed.graph.ClearField("output")
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in inputs)
    return exposed


def _values(session: Binding, tensors: Sequence[str], feed: Feed) -> Iterator[tuple[str, Values]]:
    """The activations of one run; empty ones are left out, and so is what is not finite."""
    outputs = {**feed, **session.run(feed)}
    for name in tensors:
        values = np.asarray(outputs[name], dtype=np.float32)
        if not np.isfinite(values).all():
            values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        if values.size:
            yield name, values


def _count(histogram: Histogram, values: Values) -> None:
    width = histogram.high - histogram.low
    if width <= 0:
        return
    flat = values.reshape(-1)
    thinned = flat[:: -(-flat.size // _MOST_VALUES)]
    bins = ((thinned - histogram.low) * (BINS / width)).astype(np.int64)
    histogram.counts += np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)


def _outwards(value: float) -> float:
    """Round away from zero to the significant bits that are kept."""
    mantissa, exponent = np.frexp(abs(value))
    scaled = np.ceil(mantissa * (1 << _SIGNIFICANT_BITS) - 1e-3)
    return float(np.copysign(np.ldexp(scaled, int(exponent) - _SIGNIFICANT_BITS), value))
