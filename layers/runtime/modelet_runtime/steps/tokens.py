"""What Hugging Face's `tokenizers` does for the `text` step; imported only by models that use it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Not from the package itself: of it the option layer has this module alone.
from tokenizers.tokenizers import Encoding, Tokenizer

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps.base import Encoded, Model, Padding, Value
from modelet_runtime.steps.fields import misfit, refuse_rest, take, text_of
from modelet_runtime.tensor import DATATYPES, Tensor

if TYPE_CHECKING:
    from modelet_runtime.steps.text import Text

_PAD_TOKENS = ("[PAD]", "<pad>")
# What the library calls what an input takes.
_ATTRIBUTES = {"ids": "ids", "mask": "attention_mask", "types": "type_ids"}


class Tokens:
    """Turns texts into the inputs of a graph.

    Args:
        step: The parameters.
        inputs: The inputs to feed, by role: `ids`, `mask`, `types`.
        length: Their fixed length, or None.
        model: What the step is bound to.

    Raises:
        ArtifactError: The tokenizer's file is missing or unreadable, or does not go with the model.
    """

    def __init__(
        self, step: "Text", inputs: Mapping[str, TensorSpec], length: int | None, model: Model
    ) -> None:
        self._step = step
        self._inputs = inputs
        self._feeds_all = len(inputs) == len(model.inputs)
        self._tokenizer = _read(model.folder / step.tokenizer)
        self._length = _length(step, length, self._tokenizer.truncation)
        is_fixed = length is not None or step.padding == "max_length"
        pad = _pad(step, self._tokenizer, is_fixed)
        _set_up(step, self._tokenizer, self._length, pad if is_fixed else None)
        self._padding: dict[str, Padding] = {}
        if pad is not None and not is_fixed and step.padding == "longest" and _hides(inputs, model, pad):
            self._padding = _padding(inputs, pad)

    def __call__(self, value: Value) -> Value:
        """Tokenize a text, a pair of texts, or the fields of a record that hold them.

        Raises:
            InvalidRequest: (400) There is no text, or it is too long where nothing is to be cut.
        """
        fields = self._step.fields
        given, rest = take(value, fields)
        texts = [text_of(text, field) for text, field in zip(given, fields, strict=True)]
        encoding = self._encoded(texts[0], texts[1] if len(texts) > 1 else None)
        tensors = {
            spec.name: _tensor(spec, getattr(encoding, _ATTRIBUTES[role]))
            for role, spec in self._inputs.items()
        }
        if not self._feeds_all:
            return {**rest, **tensors}
        refuse_rest(rest, fields)
        return Encoded(tensors, padding=self._padding)

    def _encoded(self, first: str, second: str | None) -> Encoding:
        where = " and ".join(self._step.fields)
        try:
            encoding = self._tokenizer.encode(first, second, add_special_tokens=self._step.add_special_tokens)
        except TypeError as error:
            raise InvalidRequest(where, "text in Unicode", "half of a surrogate pair") from error
        except Exception as error:  # of no class of its own: what may be cut is too short
            raise InvalidRequest(where, f"at most {self._length} tokens", str(error)) from error
        if len(encoding) > self._length:
            raise InvalidRequest(where, f"at most {self._length} tokens", str(len(encoding)))
        return encoding


def _read(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_str(path.read_text("utf-8"))
    except Exception as error:  # the library's are of no class of their own
        raise misfit("text", f"tokenizer: {path.name}: {type(error).__name__}: {error}") from error


def _length(step: "Text", fixed: int | None, saved: Mapping[str, Any] | None) -> int:
    """The most tokens of a row: as the graph says, else the parameter, else the file."""
    if fixed is not None and step.max_length not in (None, fixed):
        raise misfit("text", f"max_length: expected {fixed}, as the graph says, got {step.max_length}")
    length: int | None = fixed or step.max_length or (saved or {}).get("max_length")
    if length is None:
        raise misfit("text", "max_length: missing: neither the graph nor the tokenizer's file says it")
    return length


def _pad(step: "Text", tokenizer: Tokenizer, is_needed: bool) -> dict[str, Any] | None:
    """The library's parameters of padding; None if there is no token to pad with."""
    saved = tokenizer.padding or {}
    token = step.pad_token or saved.get("pad_token")
    if token is None:
        token = next((pad for pad in _PAD_TOKENS if tokenizer.token_to_id(pad) is not None), None)
    identity = None if token is None else tokenizer.token_to_id(token)
    if identity is None:
        if is_needed or step.pad_token is not None:
            raise misfit("text", f"pad_token: expected a token of the tokenizer, got {token}")
        return None
    direction = step.padding_side or saved.get("direction", "right")
    types = saved.get("pad_type_id", 0)
    return {"pad_token": token, "pad_id": identity, "pad_type_id": types, "direction": direction}


def _hides(inputs: Mapping[str, TensorSpec], model: Model, pad: Mapping[str, Any]) -> bool:
    """Whether padding leaves an answer as it is.

    Without a mask the graph takes it for text; in an output as long as the text it would be seen; in front
    of the text it moves the positions of the tokens.
    """
    is_seen = any(-1 in spec.shape for spec in model.outputs.values())
    return "mask" in inputs and not is_seen and pad["direction"] == "right"


def _padding(inputs: Mapping[str, TensorSpec], pad: Mapping[str, Any]) -> dict[str, Padding]:
    """What rows grow by in a batch, by input."""
    values = {"ids": pad["pad_id"], "mask": 0, "types": pad["pad_type_id"]}
    return {spec.name: Padding(values[role]) for role, spec in inputs.items()}


def _set_up(step: "Text", tokenizer: Tokenizer, length: int, pad: dict[str, Any] | None) -> None:
    """Replace what the tokenizer's file says of truncation and padding."""
    saved = tokenizer.truncation or {}
    special = tokenizer.num_special_tokens_to_add(len(step.fields) == 2)
    if step.add_special_tokens and special >= length:
        raise misfit("text", f"max_length: expected more than the {special} special tokens, got {length}")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if pad is not None:
        tokenizer.enable_padding(length=length, **pad)
    if step.truncation != "refuse":
        direction = step.truncation_side or saved.get("direction", "right")
        tokenizer.enable_truncation(length, strategy=step.truncation, direction=direction)


def _tensor(spec: TensorSpec, values: list[int]) -> Tensor:
    return Tensor.from_values(spec.name, DATATYPES[spec.datatype], (*spec.shape[:-1], len(values)), values)
