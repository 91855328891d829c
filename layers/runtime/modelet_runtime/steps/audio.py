"""Sound to samples: the parameters; `wav` reads the file, `waveform` resamples."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.steps.b64 import from_b64, is_b64
from modelet_runtime.steps.base import Encode, InputStep, Model, Value
from modelet_runtime.steps.fields import fed_input, misfit, take
from modelet_runtime.tensor import DATATYPES, Tensor

_FLOAT = DATATYPES["FP32"]


@dataclass(frozen=True, slots=True)
class Audio(InputStep):
    """Decode a WAV file (8, 16, 24 or 32 bits, or floats; any rate) to mono samples from -1 to 1 at one rate.

    Resamples as scipy's `resample_poly` does, by a windowed sinc.

    Attributes:
        rate: Samples per second that the graph takes.
        channel: The channel to take, the first being 0; by default the mean of all.
        max_seconds: Longer sounds are refused.
        samples: How many samples a row has: shorter sounds end in silence, longer ones are cut. By default
            as the graph says, or as they come if that axis is variable.
        too_long: Whether a sound of more than `samples` is cut or refused.
        field: The field of a record that holds the file; a bare file is that field.
        input: Which input of the graph takes the samples; not needed where there is one.
    """

    rate: int = 16_000
    channel: int | None = None
    max_seconds: float = 60.0
    samples: int | None = None
    too_long: Literal["cut", "refuse"] = "cut"
    field: str = "audio"
    input: str | None = None

    layers: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        if not 1_000 <= self.rate <= 768_000:
            raise ValueError(f"rate: expected 1000 to 768000, got {self.rate}")
        if self.channel is not None and self.channel < 0:
            raise ValueError(f"channel: expected at least 0, got {self.channel}")
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples: expected at least 1, got {self.samples}")
        if not self.max_seconds > 0:
            raise ValueError(f"max_seconds: expected more than 0, got {self.max_seconds}")

    def media_types(self, model: Model) -> tuple[str, ...]:
        """WAV files as they are, or in JSON as `{"b64": "..."}`."""
        return ("audio/*", "application/octet-stream", "application/json")

    def bind(self, model: Model) -> Encode:
        """Settle the length with the graph's input."""
        spec = fed_input(model, self.input, "audio")
        if spec.datatype != "FP32" or not spec.shape or any(size != 1 for size in spec.shape[:-1]):
            text = f"{spec.datatype} {list(spec.shape)}"
            raise misfit("audio", f"input '{spec.name}': expected FP32 of one row of samples, got {text}")
        if self.samples is not None and spec.shape[-1] not in (-1, self.samples):
            raise misfit(
                "audio", f"samples: expected {spec.shape[-1]}, as the graph says, got {self.samples}"
            )
        length = self.samples if self.samples is not None else spec.shape[-1]

        def encode(value: Value) -> Value:
            [sound], rest = take(value, (self.field,))
            samples = self._fitted(self._samples(_bytes(sound, self.field)), length)
            shape = (*spec.shape[:-1], len(samples) // _FLOAT.size)
            return {**rest, spec.name: Tensor(spec.name, _FLOAT, shape, samples)}

        return encode

    def _samples(self, data: bytes | memoryview) -> memoryview:
        from modelet_runtime.steps import wav, waveform  # noqa: PLC0415 (not for reading parameters)

        sound = wav.read(data, self.field)
        if not sound.frames:
            raise InvalidRequest(self.field, "a sound", "one without samples")
        if sound.frames > self.max_seconds * sound.rate:
            seconds = f"{sound.frames / sound.rate:.1f}"
            raise InvalidRequest(self.field, f"at most {self.max_seconds:g} seconds", seconds)
        if self.channel is not None and self.channel >= sound.channels:
            raise InvalidRequest(self.field, f"a channel {self.channel}", f"{sound.channels} channels")
        return waveform.mono(sound, self.rate, self.channel)

    def _fitted(self, samples: memoryview, length: int) -> memoryview:
        wanted = length * _FLOAT.size
        if length == -1 or len(samples) == wanted:
            return samples
        if len(samples) > wanted:
            if self.too_long == "refuse":
                actual = str(len(samples) // _FLOAT.size)
                raise InvalidRequest(self.field, f"at most {length} samples at {self.rate} a second", actual)
            return samples[:wanted]
        return memoryview(samples.tobytes() + bytes(wanted - len(samples)))


def _bytes(value: Value, field: str) -> bytes | memoryview:
    if is_b64(value):
        return from_b64(value)
    if not isinstance(value, (bytes, memoryview)):
        raise InvalidRequest(field, 'the bytes of a WAV, in JSON as {"b64": "..."}', type(value).__name__)
    return value
