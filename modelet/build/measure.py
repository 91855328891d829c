"""Sizes and times of an artifact, taken beside the original's in alternation."""

import gzip
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from modelet.bench.sampling import Samples, alternate, ratio
from modelet.build.reference import ReferenceSession
from modelet_runtime.ort import OrtSession
from modelet_runtime.tensor import Tensor

OURS, ORIGINAL = "artifact_ms", "original_ms"
_LOADS = 7
_FEWEST_RUNS, _MOST_RUNS, _BUDGET_MS = 15, 300, 1000.0
_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one thing, measured many times."""

    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The artifact beside the original, taken in turn.

    Attributes:
        artifact_ms: In the function's own runtime.
        original_ms: The graph before optimising, in a stock session of ONNX Runtime.
        ratio: Of the medians; below 1 the artifact is faster.
        ratio_95: The 95% bootstrap interval of the ratio.
        pairs: How often both were measured.
    """

    artifact_ms: Timing
    original_ms: Timing
    ratio: float
    ratio_95: tuple[float, float]
    pairs: int


def sizes(path: Path) -> dict[str, int]:
    """A file's bytes, as they are and compressed as images are."""
    data = path.read_bytes()
    return {"bytes": len(data), "gzip_bytes": len(gzip.compress(data, mtime=0))}


def session_load(path: Path, original: bytes) -> Comparison:
    """Creating the function's session over the artifact, against a stock session over the original."""
    samples = alternate(
        {OURS: lambda: _ms(lambda: OrtSession(path).close()), ORIGINAL: lambda: _ms(lambda: _load(original))},
        _LOADS,
    )
    return _compare(samples)


def latency(session: OrtSession, original: bytes, inputs: Sequence[Tensor]) -> Comparison:
    """One run in the function's session, against `session.run` of a stock one, one thread each."""
    stock = _load(original).prepared(inputs)
    measures: Mapping[str, Callable[[], float]] = {
        OURS: lambda: _ms(lambda: session.run(inputs)),
        ORIGINAL: lambda: _ms(stock),
    }
    once_ms = sum(costs[0] for costs in alternate(measures, 1, warm_up=2).values())
    rounds = min(_MOST_RUNS, max(_FEWEST_RUNS, int(_BUDGET_MS / once_ms)))
    return _compare(alternate(measures, rounds))


def _load(original: bytes) -> ReferenceSession:
    return ReferenceSession(original, optimise=True)


def _ms(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return (perf_counter() - started) * _MS


def _compare(samples: Samples) -> Comparison:
    compared = ratio("", samples, lambda medians: medians[OURS] / medians[ORIGINAL], None)
    return Comparison(
        _timing(samples[OURS]),
        _timing(samples[ORIGINAL]),
        round(compared.value, 3),
        (round(compared.low, 3), round(compared.high, 3)),
        compared.pairs,
    )


def _timing(costs: Sequence[float]) -> Timing:
    return Timing(round(statistics.median(costs), 4), round(_p95(costs), 4))


def _p95(costs: Sequence[float]) -> float:
    return sorted(costs)[int(0.95 * (len(costs) - 1) + 0.5)]
