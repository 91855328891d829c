"""Text to tokens: the parameters; what Hugging Face's `tokenizers` does with them is in `tokens`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps.base import Encode, InputStep, Model, Value, records
from modelet_runtime.steps.fields import misfit
from modelet_runtime.tensor import DATATYPES


@dataclass(frozen=True, slots=True)
class Text(InputStep):
    """Tokenize a text, or a pair of texts, as Hugging Face's fast tokenizers do.

    Feeds the graph's inputs `input_ids`, `attention_mask` and `token_type_ids`, those of them that it has.
    Rows of equal length run together. Where the graph has a mask, no output as long as the text, and padding
    comes behind it, shorter rows are also padded to run with longer ones of about their length.

    Attributes:
        tokenizer: The tokenizer's file, one of the model's assets.
        fields: The fields of a record that hold the text; two make a pair. A bare text is the only field.
        max_length: The most tokens of a row, special ones included; by default the graph's fixed length,
            else what the tokenizer's file truncates to.
        padding: "longest" pads rows to the longest they run with, "max_length" each to `max_length`, as a
            graph of fixed length needs; "do_not_pad" none.
        truncation: What of a longer row is cut: the longer text of a pair, its first or second; "refuse"
            answers with an error instead.
        padding_side: By default as the tokenizer's file says, else "right".
        truncation_side: By default as the tokenizer's file says, else "right".
        pad_token: By default as the tokenizer's file says, else the one of "[PAD]" and "<pad>" that it has.
        add_special_tokens: Whether to add what the tokenizer's file puts around a text, such as [CLS].
        input_ids: Which input takes the tokens; the only one does whatever its name.
        attention_mask: Which input takes 1 for a token and 0 for padding.
        token_type_ids: Which input takes 0 for the first text of a pair and 1 for the second.
    """

    tokenizer: str = "tokenizer.json"
    fields: tuple[str, ...] = ("text",)
    max_length: int | None = None
    padding: Literal["longest", "max_length", "do_not_pad"] = "longest"
    truncation: Literal["longest_first", "only_first", "only_second", "refuse"] = "longest_first"
    padding_side: Literal["left", "right"] | None = None
    truncation_side: Literal["left", "right"] | None = None
    pad_token: str | None = None
    add_special_tokens: bool = True
    input_ids: str = "input_ids"
    attention_mask: str = "attention_mask"
    token_type_ids: str = "token_type_ids"  # noqa: S105 (an input's name, no secret)

    layers: ClassVar[tuple[str, ...]] = ("text",)

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        if len(self.fields) not in (1, 2) or len(set(self.fields)) != len(self.fields):
            raise ValueError(f"fields: expected one or two names, got {', '.join(self.fields) or 'none'}")
        if self.max_length is not None and self.max_length < 1:
            raise ValueError(f"max_length: expected at least 1, got {self.max_length}")
        if self.truncation == "only_second" and len(self.fields) == 1:
            raise ValueError('truncation: "only_second" needs two fields')

    @property
    def assets(self) -> tuple[str, ...]:
        """The files the step reads."""
        return (self.tokenizer,)

    def media_types(self, model: Model) -> tuple[str, ...]:
        """Text as it is where one is taken; records and tables."""
        plain = ("text/plain", "application/octet-stream") if len(self.fields) == 1 else ()
        return (*plain, "application/json", "text/csv")

    def rows(self, document: Value) -> Sequence[Value] | None:
        """A list of texts or records is as many rows; of pairs, if its items are lists or records."""
        if len(self.fields) == 1:
            return document if isinstance(document, list) and document else None
        is_pairs = isinstance(document, list) and bool(document) and all(type(x) is list for x in document)
        return document if is_pairs else records(document)

    def bind(self, model: Model) -> Encode:
        """Settle lengths with the graph's inputs, import `tokenizers` and read the tokenizer's file."""
        inputs = self._inputs(model)
        lengths = {spec.shape[-1] for spec in inputs.values()} - {-1}
        if len(lengths) > 1:
            raise misfit("text", f"expected inputs of one length, got {sorted(lengths)}")
        from modelet_runtime.steps.tokens import Tokens  # noqa: PLC0415 (tokenizers costs 10 ms)

        return Tokens(self, inputs, lengths.pop() if lengths else None, model)

    def _inputs(self, model: Model) -> dict[str, TensorSpec]:
        """The inputs the step feeds, by role."""
        names = {"ids": self.input_ids, "mask": self.attention_mask, "types": self.token_type_ids}
        if len(model.inputs) == 1:
            names = {"ids": next(iter(model.inputs))}
        found = {role: model.inputs[name] for role, name in names.items() if name in model.inputs}
        if "ids" not in found:
            raise misfit("text", f"input_ids: the model has no '{self.input_ids}': {', '.join(model.inputs)}")
        for spec in found.values():
            if any(size != 1 for size in spec.shape[:-1]) or not spec.shape:
                raise misfit("text", f"input '{spec.name}': expected one row of tokens, got {spec.shape}")
            if DATATYPES[spec.datatype].name in ("BYTES", "BOOL"):
                raise misfit("text", f"input '{spec.name}': expected numbers, got {spec.datatype}")
        return found
