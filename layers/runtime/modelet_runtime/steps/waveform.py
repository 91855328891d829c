"""Samples of any kind to mono floats at one rate, by a graph of ONNX Runtime.

A resampler is a convolution, and ONNX Runtime is the one library of every function that computes fast: 10 s
of 44.1 kHz take it 2 ms, and a loop over Python's numbers 170 (decision 0034).
"""

from fractions import Fraction
from functools import lru_cache
from math import pi, sin, sqrt

from modelet_runtime.ort import OrtSession
from modelet_runtime.ort.options import SessionOptions
from modelet_runtime.steps.onnx_writer import Node, model
from modelet_runtime.steps.wav import Sound
from modelet_runtime.tensor import DATATYPES, Tensor

_FLOAT, _INT64 = DATATYPES["FP32"], DATATYPES["INT64"]
# Every pair of usual rates has fewer; others are met within a thousandth, which nobody hears.
_MOST_PHASES = 1_280
# scipy's `resample_poly`: 10 zero crossings to either side, under a Kaiser window of 5.
# Source: https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.resample_poly.html
_CROSSINGS, _BETA = 10, 5.0


def mono(sound: Sound, rate: int, channel: int | None) -> memoryview:
    """The samples as FP32 at `rate`: of one channel, or the mean of all."""
    up, down = ratio(sound.rate, rate)
    mix = (sound.channels, channel, sound.full_scale, sound.zero)
    session = _session(sound.datatype.name, *mix, up, down)
    shape = (sound.frames, sound.channels)
    [made] = session.run([Tensor("samples", sound.datatype, shape, sound.data)])
    return made.buffer[: -(-sound.frames * up // down) * _FLOAT.size]


def ratio(given: int, wanted: int) -> tuple[int, int]:
    """By how much to go up and down from one rate to another."""
    fraction = Fraction(min(given, wanted), max(given, wanted)).limit_denominator(_MOST_PHASES)
    smaller, larger = fraction.numerator, fraction.denominator
    return (larger, smaller) if wanted > given else (smaller, larger)


@lru_cache(maxsize=16)
def _session(
    datatype: str, channels: int, channel: int | None, full_scale: float, zero: int, up: int, down: int
) -> OrtSession:
    """The graph for one kind of file."""
    shares = [1 / channels if channel is None else float(index == channel) for index in range(channels)]
    mix = [share / full_scale for share in shares]
    constants = [
        Tensor.from_values("mix", _FLOAT, (channels, 1), mix),
        Tensor.from_values("silence", _FLOAT, (1,), [float(zero)]),
        Tensor.from_values("row", _INT64, (3,), [1, 1, -1]),
        Tensor.from_values("flat", _INT64, (1,), [-1]),
    ]
    nodes = [
        Node("Cast", ["samples"], ["numbers"], {"to": _FLOAT.onnx_type}),
        Node("Sub", ["numbers", "silence"], ["centred"]),
        Node("MatMul", ["centred", "mix"], ["column"]),
        Node("Reshape", ["column", "row"], ["wave"]),
    ]
    last = "wave"
    if (up, down) != (1, 1):
        taps, before, after = _phases(up, down)
        constants.append(taps)
        attributes = {"strides": [down], "pads": [before, after]}
        nodes.append(Node("Conv", ["wave", "taps"], ["blocks"], attributes))
        nodes.append(Node("Transpose", ["blocks"], ["resampled"], {"perm": [0, 2, 1]}))
        last = "resampled"
    nodes.append(Node("Reshape", [last, "flat"], ["mono"]))
    graph = model(
        nodes,
        {"samples": (DATATYPES[datatype], ("frames", channels))},
        {"mono": (_FLOAT, ("made",))},
        constants,
    )
    return OrtSession(graph, options=SessionOptions(optimization="basic", arena=False))


def _phases(up: int, down: int) -> tuple[Tensor, int, int]:
    """The filter as a convolution that makes `up` samples of every `down`, and its padding.

    Sample `n * up + p` of the result is the sum over `k` of `x[n * down + k] * h[p * down + half - k * up]`.
    """
    taps, half = _low_pass(up, down)
    before, last = half // up, ((up - 1) * down + half) // up
    rows = [
        taps[index] if 0 <= (index := phase * down + half - k * up) < len(taps) else 0.0
        for phase in range(up)
        for k in range(-before, last + 1)
    ]
    width = before + last + 1
    return Tensor.from_values("taps", _FLOAT, (up, 1, width), rows), before, last + down + 1


def _low_pass(up: int, down: int) -> tuple[list[float], int]:
    """A windowed sinc that cuts off at the lower of the two rates, and how many taps its half has."""
    cutoff = 1 / max(up, down)
    half = _CROSSINGS * max(up, down)
    side = [
        sin(pi * n * cutoff) / (pi * n) * _bessel(_BETA * sqrt(1 - (n / half) ** 2))
        for n in range(1, half + 1)
    ]
    whole = [*reversed(side), cutoff * _bessel(_BETA), *side]
    scale = up / sum(whole)
    return [tap * scale for tap in whole], half


def _bessel(x: float) -> float:
    """The modified Bessel function of order 0, by its series."""
    total = term = 1.0
    k = 0
    while term > total * 1e-17:
        k += 1
        term *= (x / (2 * k)) ** 2
        total += term
    return total
