"""Words or characters to indices in a vocabulary, as Keras' `Tokenizer` and `pad_sequences` do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from modelet_runtime.steps.base import Encode, InputStep, Model, Value
from modelet_runtime.steps.fields import fed_input, misfit, take, text_of
from modelet_runtime.steps.vocabulary import Vocabulary
from modelet_runtime.tensor import DATATYPES, Tensor


@dataclass(frozen=True, slots=True)
class Words(InputStep):
    r"""Look up the words or characters of a text in a vocabulary, and pad or cut to one length.

    What Keras calls `Tokenizer.texts_to_sequences` and `pad_sequences`, with their names and defaults; a
    `TextVectorization` layer is `lower = "ascii"`, `filtered_to = ""`, `split = "whitespace"`,
    `filters` with an apostrophe more, `padding = "post"` and `truncating = "post"`.

    Attributes:
        vocabulary: One of the model's assets: what `Tokenizer.to_json()` gave, `{word: index}`, or a list
            of words, in JSON or one per line, that begins with index 0 as `get_vocabulary()` does.
        lower: Whether upper case counts as lower; "ascii" does so for A to Z alone.
        filters: Characters that are no part of words; by default Keras' punctuation, tab and line
            break, and none where `char_level` is true.
        filtered_to: What stands in place of each of them; by default `split`.
        split: What is between words; "whitespace" stands for any run of it.
        split_chinese: Whether every Chinese character is a word of its own, as for BERT; other scripts are
            split as ever, so that one text may mix them.
        char_level: Whether every character counts as a word, as for Chinese.
        oov_token: The vocabulary's word that unknown ones become; by default what the file says, and
            "[UNK]" in a list; without one they are left out.
        num_words: Only indices below this are known.
        maxlen: How many indices a row has; by default the graph's fixed length.
        padding: The end that shorter texts are padded at.
        truncating: The end that longer ones are cut at.
        value: What they are padded with.
        field: The field of a record that holds the text; a bare text is that field.
        input: Which input of the graph takes the indices; not needed where there is one.
    """

    vocabulary: str = "vocabulary.json"
    lower: bool | Literal["ascii"] | None = None
    filters: str | None = None
    filtered_to: str | None = None
    split: str | None = None
    split_chinese: bool | None = None
    char_level: bool | None = None
    oov_token: str | None = None
    num_words: int | None = None
    maxlen: int | None = None
    padding: Literal["pre", "post"] = "pre"
    truncating: Literal["pre", "post"] = "pre"
    value: int = 0
    field: str = "text"
    input: str | None = None

    layers: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        for name in ("num_words", "maxlen"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.split == "":
            raise ValueError("split: expected a separator; char_level = true splits into characters")

    @property
    def assets(self) -> tuple[str, ...]:
        """The files the step reads."""
        return (self.vocabulary,)

    def media_types(self, model: Model) -> tuple[str, ...]:
        """Text as it is, records and tables."""
        return ("text/plain", "application/octet-stream", "application/json", "text/csv")

    def rows(self, document: Value) -> Sequence[Value] | None:
        """A list of texts or records is as many rows."""
        return document if isinstance(document, list) and document else None

    def bind(self, model: Model) -> Encode:
        """Read the vocabulary, and settle the length with the graph's input."""
        spec = fed_input(model, self.input, "words")
        if any(size != 1 for size in spec.shape[:-1]) or not spec.shape:
            raise misfit("words", f"input '{spec.name}': expected one row of indices, got {list(spec.shape)}")
        if spec.datatype in ("BYTES", "BOOL"):
            raise misfit("words", f"input '{spec.name}': expected numbers, got {spec.datatype}")
        length = self.maxlen or spec.shape[-1]
        if length < 1 or spec.shape[-1] not in (-1, length):
            raise misfit("words", f"maxlen: expected the length of input '{spec.name}' {list(spec.shape)}")
        vocabulary = Vocabulary.read(model.folder / self.vocabulary, self)
        datatype, shape = DATATYPES[spec.datatype], (*spec.shape[:-1], length)

        def encode(value: Value) -> Value:
            [text], rest = take(value, (self.field,))
            indices = self._fitted(vocabulary.indices(text_of(text, self.field)), length)
            return {**rest, spec.name: Tensor.from_values(spec.name, datatype, shape, indices)}

        return encode

    def _fitted(self, indices: list[int], length: int) -> list[int]:
        kept = indices[-length:] if self.truncating == "pre" else indices[:length]
        fill = [self.value] * (length - len(kept))
        return fill + kept if self.padding == "pre" else kept + fill
