"""Vectors of meaning: one per text instead of one per token, and of length 1."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from modelet.build.graft.base import Array, Arrays, Context, OneOutput, Reference, is_float, like, swap
from modelet.build.graft.editor import Builder
from modelet.build.graft.value import Misfit, Value, Values
from modelet_runtime.tensor import Datatype

# As in torch.nn.functional.normalize and in sentence-transformers' pooling.
# Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html
_LEAST_LENGTH = 1e-12
_LEAST_COUNT = 1e-9
# The least normal numbers of 16-bit floats, for which the others are 0.
_LEAST_OF = {"FP16": 2.0**-14, "BF16": 2.0**-126}
_TOKEN_AXIS = 1


@dataclass(frozen=True, kw_only=True)
class L2Normalise(OneOutput):
    """Give each vector the length 1, so that a dot product is a cosine; a vector of zeros stays one.

    Attributes:
        axis: The axis of a vector's elements; by default the last.
    """

    axis: int = -1

    def wanted(self) -> str:
        """What it fits, in words."""
        return "floating-point vectors"

    def fits(self, value: Value) -> bool:
        """Whether it fits an output."""
        return is_float(value) and value.rank > 0

    def write(self, build: Builder, value: Value) -> Value:
        """Divide by the length."""
        if not -value.rank <= self.axis < value.rank:
            raise Misfit(f"axis: expected an axis of {value}, got {self.axis}")
        length = build.reduce("ReduceL2", value.tensor, self.axis, keep=True)
        least = build.constant("least", _at_least(_LEAST_LENGTH, value.datatype), value.datatype)
        return value.at(build.add("Div", value.tensor, build.add("Max", length, least)))

    def compute(self, array: Array, value: Value) -> Array:
        """Calculate in double precision."""
        vectors = array.astype(np.float64)
        lengths = np.sqrt(np.sum(vectors**2, axis=self.axis, keepdims=True))
        return like(array, vectors / np.where(lengths > _LEAST_LENGTH, lengths, _LEAST_LENGTH))


@dataclass(frozen=True, kw_only=True)
class MeanPool:
    """Average the vectors of a text's tokens, padding left out: `[rows, tokens, size]` to `[rows, size]`.

    Attributes:
        mask: The model's input that is 1 at tokens and 0 at padding.
        output: The model's output with a vector per token; by default the only one that fits.
        rename: Another name for the output.
    """

    mask: str = "attention_mask"
    output: str | None = None
    rename: str | None = None

    def graft(self, build: Builder, outputs: Values, context: Context) -> Reference:
        """Put the averages in the place of the vectors."""
        old = outputs.pick(self.output, "floating-point vectors per token (3 axes)", _has_tokens)
        new, value = self.rename or old, outputs[old]
        mask = self._mask(context.inputs)
        weights = build.cast(mask.tensor, mask.datatype, value.datatype)
        weights = build.add("Unsqueeze", weights, build.constant("axes", [-1]))
        total = build.reduce("ReduceSum", build.add("Mul", value.tensor, weights), _TOKEN_AXIS, keep=False)
        count = build.reduce("ReduceSum", weights, _TOKEN_AXIS, keep=False)
        least = build.constant("least", _at_least(_LEAST_COUNT, value.datatype), value.datatype)
        pooled = build.add("Div", total, build.add("Max", count, least))
        dims = (value.dims[0], value.dims[2])
        outputs.swap(old, {new: replace(value, tensor=pooled, dims=dims)})

        def reference(answers: Arrays, given: Mapping[str, Array]) -> None:
            swap(answers, old, {new: _averages(answers[old], given[self.mask])})

        return reference

    def _mask(self, inputs: Mapping[str, Value]) -> Value:
        mask = inputs.get(self.mask)
        if mask is None:
            raise Misfit(f"mask: there is no input '{self.mask}', the model has {', '.join(inputs)}")
        if mask.rank != 2 or mask.datatype.name == "BYTES":
            raise Misfit(f"mask: input '{self.mask}': expected a number per row and token, got {mask}")
        return mask


def _at_least(number: float, datatype: Datatype) -> float:
    """The number, or the least one that the datatype has."""
    return max(number, _LEAST_OF.get(datatype.name, 0.0))


def _has_tokens(value: Value) -> bool:
    return is_float(value) and value.rank == 3


def _averages(vectors: Array, mask: Array) -> Array:
    """Row by row, over the tokens that count."""
    rows = [
        row[kept.astype(bool)].astype(np.float64).mean(axis=0) if kept.any() else np.zeros(row.shape[1])
        for row, kept in zip(vectors, mask, strict=True)
    ]
    return like(vectors, np.stack(rows))
