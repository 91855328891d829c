"""A model's steps in a row, with defaults at both ends so that a bare graph needs none."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelet_runtime.manifest import Manifest
from modelet_runtime.steps.base import (
    Answer,
    Answered,
    Decode,
    Encode,
    Encoded,
    Model,
    Pipeline,
    Value,
    records,
)
from modelet_runtime.steps.plain import to_answer
from modelet_runtime.steps.record import to_inputs
from modelet_runtime.steps.registry import input_step, output_step
from modelet_runtime.tensor import Tensor

RECORD_MEDIA_TYPES = ("application/json", "text/csv", "application/x-npy")
TEXT_MEDIA_TYPES = ("text/plain", "application/octet-stream")


def build(manifest: Manifest, folder: Path) -> Pipeline:
    """Put the steps of a version together.

    Args:
        manifest: The version's manifest, which names the steps and their parameters.
        folder: The version folder, with hooks and assets.

    Raises:
        ArtifactError: A step or a parameter is unknown, or does not fit the model.
    """
    model = Model(manifest, folder)
    inputs = [input_step(step) for step in manifest.input_steps]
    outputs = [output_step(step) for step in manifest.output_steps]
    return StepPipeline(
        model,
        inputs[0].media_types(model) if inputs else _record_media_types(model),
        inputs[0].rows if inputs else records,
        tuple(step.bind(model) for step in inputs),
        tuple(step.bind(model) for step in outputs),
    )


class StepPipeline:
    """Input steps, then the default input; output steps, or else the default output."""

    def __init__(
        self,
        model: Model,
        media_types: tuple[str, ...],
        rows: Callable[[Value], Sequence[Value] | None],
        encoders: tuple[Encode, ...],
        decoders: tuple[Decode, ...],
    ) -> None:
        self._inputs = model.inputs
        self._media_types = media_types
        self._rows = rows
        self._encoders = encoders
        self._decoders = decoders

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types the first input step takes."""
        return self._media_types

    def rows(self, document: Value) -> Sequence[Value] | None:
        """What the first input step takes for several rows; without steps, a list of objects."""
        return self._rows(document)

    def encode(self, value: Value) -> Encoded | Answered:
        """Pass a value through the input steps; what they leave becomes the graph's inputs by name."""
        for encode in self._encoders:
            value = encode(value)
            if isinstance(value, (Encoded, Answered)):
                return value
        return Encoded(to_inputs(self._inputs, value))

    def decode(self, outputs: Mapping[str, Tensor], context: Any) -> Answer:
        """Pass one row of the graph's outputs through the output steps."""
        if not self._decoders:
            return to_answer(outputs)
        answer: Any = outputs
        for decode in self._decoders:
            answer = decode(answer, context)
        return answer


def _record_media_types(model: Model) -> tuple[str, ...]:
    specs = list(model.inputs.values())
    takes_text = len(specs) == 1 and specs[0].datatype == "BYTES" and all(n == 1 for n in specs[0].shape)
    return (*TEXT_MEDIA_TYPES, *RECORD_MEDIA_TYPES) if takes_text else RECORD_MEDIA_TYPES
