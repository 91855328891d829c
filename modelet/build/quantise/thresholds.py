"""Where to cut a distribution off before it is stored in 8 bits."""

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

_LEVELS = 128  # positive values of an 8-bit number
_STEPS = 255
_SMALLEST = 1e-9
_SHARES = [share / 40 for share in range(40, 7, -1)]


def percentile(counts: Counts, low: float, high: float, percent: float) -> tuple[float, float]:
    """The bounds that leave the same share out on both sides.

    Args:
        counts: Values per bin between `low` and `high`.
        low: Lower end of the first bin.
        high: Upper end of the last bin.
        percent: How much stays inside.
    """
    share = np.cumsum(counts) / counts.sum()
    outside = (100.0 - percent) / 200.0
    edges = np.linspace(low, high, len(counts) + 1)
    first = int(np.searchsorted(share, outside, side="right"))
    last = int(np.searchsorted(share, 1.0 - outside, side="left"))
    return float(edges[first]), float(edges[min(last, len(counts) - 1) + 1])


def entropy(counts: Counts, low: float, high: float) -> tuple[float, float]:
    """The bounds whose 8-bit distribution tells least apart from the true one.

    Magnitudes are cut off at the threshold with the smallest Kullback-Leibler divergence; the same
    threshold bounds both sides.

    Source: S. Migacz, 8-bit Inference with TensorRT, GTC 2017
    """
    magnitudes, width = _magnitudes(counts, low, high)
    magnitudes[0] = magnitudes[
        1
    ]  # zeros are stored exactly whatever the threshold; after a Relu they are most
    candidates = range(_LEVELS, len(magnitudes) + 1, 8)
    best = min(candidates, key=lambda stop: _divergence(magnitudes, stop), default=len(magnitudes))
    threshold = best * width
    return max(low, -threshold), min(high, threshold)


def least_squares(counts: Counts, low: float, high: float) -> tuple[float, float]:
    """The bounds with the smallest squared error: of rounding inside, of cutting off outside.

    Args:
        counts: Values per bin between `low` and `high`.
        low: Lower end of the first bin.
        high: Upper end of the last bin.
    """
    edges = np.linspace(low, high, len(counts) + 1)
    centres = (edges[1:] + edges[:-1]) / 2

    def error(share: float) -> float:
        bottom, top = min(low * share, 0.0), max(high * share, 0.0)
        beyond = np.maximum(bottom - centres, 0) + np.maximum(centres - top, 0)
        rounding = ((top - bottom) / _STEPS) ** 2 / 12
        return float(np.sum(counts * np.where(beyond > 0, beyond**2, rounding)))

    best = min(_SHARES, key=error)
    return min(low * best, 0.0), max(high * best, 0.0)


def _magnitudes(counts: Counts, low: float, high: float) -> tuple[npt.NDArray[np.float64], float]:
    """The histogram of absolute values, and the width of its bins."""
    bins = len(counts)
    width = max(abs(low), abs(high)) / bins
    centres = low + (np.arange(bins) + 0.5) * ((high - low) / bins)
    positions = np.minimum((np.abs(centres) / width).astype(np.int64), bins - 1)
    return np.bincount(positions, counts, bins).astype(np.float64), width


def _divergence(magnitudes: npt.NDArray[np.float64], stop: int) -> float:
    """What is lost by cutting off at `stop` bins and keeping as many levels as 8 bits have."""
    true = magnitudes[:stop].copy()
    true[-1] += magnitudes[stop:].sum()
    level = np.arange(stop) * _LEVELS // stop
    occupied = magnitudes[:stop] > 0
    totals = np.bincount(level, weights=magnitudes[:stop], minlength=_LEVELS)
    shares = np.bincount(level, weights=occupied, minlength=_LEVELS)
    spread = np.where(occupied, (totals / np.maximum(shares, 1))[level], 0.0)
    if not spread.sum():
        return np.inf
    p = true / true.sum()
    q = np.maximum(spread / spread.sum(), _SMALLEST)
    present = p > 0
    return float(np.sum(p[present] * np.log(p[present] / q[present])))
