"""The vocabulary of the `words` step: its file, and the way from a text to indices."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelet_runtime.steps.fields import misfit

if TYPE_CHECKING:
    from modelet_runtime.steps.words import Words

# Keras' default: every ASCII punctuation mark but the apostrophe, tab and line break.
_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_UNKNOWN = "[UNK]"
_NO_SPACE = re.compile(r"[^ \t\n\r\v\f]+")
# The blocks that BERT's tokenizer takes apart; kana and hangul are not among them.
_CHINESE = (
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]"
)
_TO_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class Vocabulary:
    """Words by index, and how a text is taken apart.

    Args:
        words: Index by word.
        settings: The parameters of the step that are not None, over those of the vocabulary's file.

    Raises:
        ValueError: The word for unknown ones is not in the vocabulary.
    """

    def __init__(self, words: Mapping[str, int], settings: Mapping[str, Any]) -> None:
        self._words = words
        self._lower = settings.get("lower", True)
        self._split = settings.get("split", " ")
        self._is_of_characters = settings.get("char_level", False)
        self._chinese = re.compile(_CHINESE) if settings.get("split_chinese") else None
        self._gap = " " if self._split == "whitespace" else self._split
        replacement = settings.get("filtered_to", self._gap)
        filters = settings.get("filters", "" if self._is_of_characters else _FILTERS)
        self._translation = str.maketrans(dict.fromkeys(filters, replacement))
        self._limit = settings.get("num_words")
        unknown = settings.get("oov_token")
        if unknown is not None and unknown not in words:
            raise ValueError(f"oov_token: '{unknown}' is not in the vocabulary")
        self._unknown = None if unknown is None else words[unknown]

    @classmethod
    def read(cls, path: Path, step: "Words") -> "Vocabulary":
        """Read a vocabulary's file.

        Raises:
            ArtifactError: It is missing or not one of the forms, or a parameter does not go with it.
        """
        names = (
            "lower",
            "filters",
            "filtered_to",
            "split",
            "split_chinese",
            "char_level",
            "oov_token",
            "num_words",
        )
        given = {name: getattr(step, name) for name in names if getattr(step, name) is not None}
        try:
            words, settings = _read(path)
            if settings.get("char_level") or given.get("char_level"):
                settings.pop("filters", None)  # Keras does not filter characters
            return cls(words, {**settings, **given})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise misfit("words", f"vocabulary: {path.name}: {type(error).__name__}: {error}") from error

    def indices(self, text: str) -> list[int]:
        """The indices of the words of a text; unknown ones become the word for them, or are left out."""
        found: list[int] = []
        for word in self.words(text):
            index = self._words.get(word, self._unknown)
            if index is not None and self._limit and index >= self._limit:
                index = self._unknown
            if index is not None:
                found.append(index)
        return found

    def words(self, text: str) -> list[str]:
        """The words or characters of a text, known or not."""
        if self._lower:
            text = text.translate(_TO_ASCII_LOWER) if self._lower == "ascii" else text.lower()
        text = text.translate(self._translation)
        if self._is_of_characters:
            return list(text)
        if self._chinese:
            text = self._chinese.sub(lambda found: f"{self._gap}{found[0]}{self._gap}", text)
        if self._split == "whitespace":
            return _NO_SPACE.findall(text)
        return [word for word in text.split(self._split) if word]


def _read(path: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """The words, and the settings that the file itself has."""
    text = path.read_text("utf-8")
    document = json.loads(text) if path.suffix == ".json" else text.splitlines()
    if isinstance(document, list):
        words = {word: index for index, word in enumerate(document)}
        return words, {"oov_token": _UNKNOWN} if _UNKNOWN in words else {}
    if document.get("class_name") == "Tokenizer":
        config = dict(document["config"])
        known = ("num_words", "filters", "lower", "split", "char_level", "oov_token")
        settings = {name: config[name] for name in known if config.get(name) is not None}
        return json.loads(config["word_index"]), settings
    if not all(type(index) is int for index in document.values()):
        raise ValueError("expected an index for each word")
    return document, {}
