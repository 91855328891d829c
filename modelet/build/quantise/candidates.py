"""The formulas that fit a graph, before anything is measured."""

from typing import Literal

from modelet.build.quantise import targets
from modelet.build.quantise.calibrate import METHODS, Method
from modelet.build.quantise.formula import Formula, Precision
from modelet.build.quantise.quantiser import Quantiser
from modelet.build.quantise.saturation import Guard

Target = Literal["cpu", "gpu"]
Wanted = Precision | Literal["auto"]
Calibration = Method | Literal["auto"]

_TRIED: dict[Target, tuple[Precision, ...]] = {
    "cpu": ("int8-dynamic", "int8-static", "int8-weights", "int4-weights"),
    "gpu": ("fp16",),
}


def formulas(
    quantiser: Quantiser, wanted: Wanted, calibration: Calibration, prune: float, target: Target
) -> list[Formula]:
    """What is worth trying; fp32 as it is comes first, whatever is wanted.

    Args:
        quantiser: The model.
        wanted: One precision, or `auto` for all that fit.
        calibration: One method, or `auto` for all.
        prune: The share of weights to set to zero.
        target: Who runs the graph.
    """
    # ARM adds 8-bit products in 32 bits, so there is nothing to guard against.
    guard: Guard = "pairs" if quantiser.architecture == "x86_64" else "none"
    methods = METHODS if calibration == "auto" else (calibration,)
    found = [Formula(), Formula(prune=prune)] if prune else [Formula()]
    for precision in _TRIED[target] if wanted == "auto" else (wanted,):
        if precision == "fp32" or not _fits(quantiser, precision):
            continue
        if precision == "int8-static":
            found += [Formula(precision, method, guard, prune) for method in methods]
        elif precision == "int8-dynamic":
            found.append(Formula(precision, guard=guard, prune=prune))
        else:
            found.append(Formula(precision, prune=prune))
    return found


def _fits(quantiser: Quantiser, precision: Precision) -> bool:
    """Whether a graph has anything that a precision could store in fewer bits."""
    index, excluded = quantiser.index, quantiser.excluded
    match precision:
        case "int8-dynamic":
            return bool(targets.dynamic(index, excluded) or targets.tables(index, excluded))
        case "int8-static":
            nodes = [index.nodes[name] for name in targets.static(index, excluded)]
            return any(targets.is_linear(index, node) for node in nodes)
        case "int8-weights":
            return bool(targets.blockwise(index, excluded) or targets.tables(index, excluded))
        case "int4-weights":
            return bool(targets.blockwise(index, excluded))
        case _:
            return True
