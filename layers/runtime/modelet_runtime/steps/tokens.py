"""What Hugging Face's `tokenizers` does for the `text` step; imported only by models that use it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tokenizers import Encoding, Tokenizer

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps.base import Encoded, Model, Padding, Value
from modelet_runtime.steps.fields import misfit, refuse_rest, take, text_of
from modelet_runtime.tensor import DATATYPES, Tensor

if TYPE_CHECKING:
    from modelet_runtime.steps.text import Text

_PAD_TOKENS = ("[PAD]", "<pad>")


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
        self._tokenizer, document = _read(step, model)
        self._length = self._settle_length(length, document)
        pad = self._settle_padding(document, is_needed=length is not None or step.padding == "max_length")
        fixed = length if length is not None else self._length if step.padding == "max_length" else None
        self._set_up(fixed, pad, document)
        # Nobody can tell padding from text without a mask, nor in an output as long as the text.
        can_grow = "mask" in inputs and fixed is None and pad is not None
        if can_grow and not any(-1 in spec.shape for spec in model.outputs.values()):
            assert pad is not None
            values = {"ids": pad["pad_id"], "mask": 0, "types": pad["pad_type_id"]}
            side = pad["direction"]
            self._padding = {spec.name: Padding(values[role], side) for role, spec in inputs.items()}
        else:
            self._padding = {}

    def __call__(self, value: Value) -> Value:
        """Tokenize a text, a pair of texts, or the fields of a record that hold them.

        Raises:
            InvalidRequest: (400) There is no text, or it is too long where nothing is to be cut.
        """
        fields = self._step.fields
        given, rest = take(value, fields)
        texts = [text_of(text, field) for text, field in zip(given, fields, strict=True)]
        encoding = self._encoded(texts[0], texts[1] if len(texts) > 1 else None)
        tensors = self._tensors(encoding)
        if not self._feeds_all:
            return {**rest, **tensors}
        refuse_rest(rest, fields)
        return Encoded(tensors, padding=self._padding)

    def _encoded(self, first: str, second: str | None) -> Encoding:
        step = self._step
        where = " and ".join(step.fields)
        try:
            encoding = self._tokenizer.encode(first, second, add_special_tokens=step.add_special_tokens)
        except TypeError as error:
            raise InvalidRequest(where, "text in Unicode", "half of a surrogate pair") from error
        except Exception as error:  # of no class of its own: what may be cut is too short
            raise InvalidRequest(where, f"at most {self._length} tokens", str(error)) from error
        if len(encoding) > self._length:
            raise InvalidRequest(where, f"at most {self._length} tokens", str(len(encoding)))
        return encoding

    def _tensors(self, encoding: Encoding) -> dict[str, Tensor]:
        values = {"ids": "ids", "mask": "attention_mask", "types": "type_ids"}
        return {
            spec.name: _tensor(spec, getattr(encoding, values[role])) for role, spec in self._inputs.items()
        }

    def _settle_length(self, fixed: int | None, document: Mapping[str, Any]) -> int:
        wanted = self._step.max_length
        if fixed is not None:
            if wanted not in (None, fixed):
                raise misfit("text", f"max_length: expected {fixed}, as the graph says, got {wanted}")
            return fixed
        length: int | None = wanted or (document.get("truncation") or {}).get("max_length")
        if length is None:
            raise misfit("text", "max_length: missing: neither the graph nor the tokenizer's file says it")
        return length

    def _settle_padding(self, document: Mapping[str, Any], is_needed: bool) -> dict[str, Any] | None:
        """What `tokenizers` calls the padding's parameters; None if there is no token to pad with."""
        known = document.get("padding") or {}
        direction = self._step.padding_side or str(known.get("direction", "right")).lower()
        vocabulary = self._tokenizer.token_to_id
        token = self._step.pad_token or known.get("pad_token")
        if token is None:
            token = next((pad for pad in _PAD_TOKENS if vocabulary(pad) is not None), None)
        identity = vocabulary(token) if token is not None else None
        if identity is None:
            if is_needed or self._step.pad_token is not None:
                raise misfit("text", f"pad_token: expected a token of the tokenizer, got {token}")
            return None
        return {
            "direction": direction,
            "pad_id": identity,
            "pad_type_id": known.get("pad_type_id", 0),
            "pad_token": token,
        }

    def _set_up(self, fixed: int | None, pad: dict[str, Any] | None, document: Mapping[str, Any]) -> None:
        step = self._step
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if fixed is not None and pad is not None:
            self._tokenizer.enable_padding(length=fixed, **pad)
        special = self._tokenizer.num_special_tokens_to_add(len(step.fields) == 2)
        if step.add_special_tokens and special >= self._length:
            raise misfit("text", f"max_length: expected more than {special} special tokens")
        if step.truncation != "refuse":
            known = (document.get("truncation") or {}).get("direction", "right")
            direction = step.truncation_side or str(known).lower()
            self._tokenizer.enable_truncation(self._length, strategy=step.truncation, direction=direction)


def _read(step: "Text", model: Model) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer, and what its file says of truncation and padding."""
    path = model.folder / step.tokenizer
    try:
        text = path.read_text("utf-8")
        document = json.loads(text)
        return Tokenizer.from_str(text), document
    except Exception as error:  # the library raises bare Exceptions
        raise misfit("text", f"tokenizer: {path.name}: {type(error).__name__}: {error}") from error


def _tensor(spec: TensorSpec, values: list[int]) -> Tensor:
    return Tensor.from_values(spec.name, DATATYPES[spec.datatype], (*spec.shape[:-1], len(values)), values)
