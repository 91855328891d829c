"""What a candidate is made of: data, from which the same graph is made again on any day."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from modelet.build.quantise.calibrate import Method
from modelet.build.quantise.saturation import Guard

Precision = Literal["fp32", "fp16", "int8-dynamic", "int8-static", "int8-weights", "int4-weights"]
PRECISIONS: tuple[Precision, ...] = (
    "fp32",
    "fp16",
    "int8-dynamic",
    "int8-static",
    "int8-weights",
    "int4-weights",
)


@dataclass(frozen=True, slots=True)
class Formula:
    """How to make a graph from the original one; with the same samples it always gives the same.

    Attributes:
        precision: What the weights are stored as.
        calibration: For `int8-static`, how ranges were found.
        guard: How int8 weights that compute are kept from saturating on CPUs without VNNI.
        prune: The share of weights at zero.
        left_out: Nodes that are too sensitive for int8. Matrix products among them keep their activations
            in floating point and store their weights block by block; others stay in fp32.
    """

    precision: Precision = "fp32"
    calibration: Method | None = None
    guard: Guard = "none"
    prune: float = 0.0
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A short name that tells candidates of one contest apart."""
        parts: list[str] = [self.precision]
        if self.calibration:
            parts.append(self.calibration)
        if self.left_out:
            parts.append("mixed")
        if self.guard == "7bit":
            parts.append("7bit")
        if self.prune:
            parts.append(f"pruned{round(self.prune * 100)}")
        return "-".join(parts)

    @property
    def is_lossy(self) -> bool:
        """Whether answers may differ from the original's for it."""
        return self.precision != "fp32" or self.prune > 0

    @property
    def about(self) -> str:
        """One sentence for people."""
        text = _ABOUT[self.precision]
        if self.calibration:
            text += f", on {_CALIBRATED[self.calibration]}"
        if self.left_out:
            text += f", {len(self.left_out)} sensitive {_plural('node', len(self.left_out))} left out"
        if self.prune:
            text += f", the smallest {self.prune:.0%} of the weights at zero"
        return text

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, without defaults; `from_dict` gives an equal formula back."""
        plain = asdict(Formula())
        document = {key: value for key, value in asdict(self).items() if value != plain[key]}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in document.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Formula":
        """Read what `to_dict` made."""
        return cls(**{**document, "left_out": tuple(document.get("left_out", ()))})


_ABOUT: dict[Precision, str] = {
    "fp32": "32-bit floats, as trained",
    "fp16": "16-bit floats",
    "int8-dynamic": "8-bit integers, activations measured in every run",
    "int8-static": "8-bit integers throughout",
    "int8-weights": "weights in 8 bits by blocks of 32",
    "int4-weights": "weights in 4 bits by blocks of 32",
}
_CALIBRATED: dict[Method, str] = {
    "minmax": "ranges that hold every calibrated value",
    "percentile": "ranges that cut off the outermost values",
    "entropy": "ranges that keep most of the distribution's information",
    "mse": "ranges with the least squared error",
}


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
