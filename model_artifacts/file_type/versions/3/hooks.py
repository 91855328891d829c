"""What Magika's Python package does around its graph, without numpy.

Source: https://github.com/google/magika/blob/main/python/src/magika/magika.py
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelet_runtime.errors import ArtifactError, InvalidRequest
from modelet_runtime.manifest import Manifest
from modelet_runtime.steps.base import Answer, Answered, Encoded, Value
from modelet_runtime.tensor import DATATYPES, Tensor

INT32 = DATATYPES["INT32"]
TOKEN_BYTES = 4


class Hooks:
    """The bytes of a file to tokens, and scores to the type of the file."""

    # Any body is a file: its media type would be the caller's own guess.
    media_types = ("application/octet-stream", "*/*")

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        config = json.loads((folder / "config.min.json").read_bytes())
        if config["mid_size"] or config["use_inputs_at_offsets"]:
            raise ArtifactError("config.min.json: features other than the begin and the end are not known")
        self._begin_size: int = config["beg_size"]
        self._end_size: int = config["end_size"]
        self._block_size: int = config["block_size"]
        self._fewest: int = config["min_file_size_for_dl"]
        self._labels: list[str] = config["target_labels_space"]
        self._threshold: float = config["medium_confidence_threshold"]
        self._thresholds: dict[str, float] = config["thresholds"]
        self._overwrites: dict[str, str] = config["overwrite_map"]
        padding = config["padding_token"].to_bytes(TOKEN_BYTES, "little")
        self._padding = padding * (self._begin_size + self._end_size)
        self._types = json.loads((folder / "content_types_kb.min.json").read_bytes())

    def encode(self, value: Value) -> Encoded | Answered:
        """Tokens of the first and the last bytes, stripped of white space; tiny files need no graph."""
        if not isinstance(value, bytes):
            raise InvalidRequest("file", "bytes", type(value).__name__)
        if not value:
            return Answered(self._answer("empty", 1.0))
        begin = value[: self._block_size].lstrip()[: self._begin_size]
        end = value[-self._block_size :].rstrip()[-self._end_size :]
        if len(begin) < self._fewest:
            return Answered(self._answer(_label_of_few(value[: self._block_size]), 1.0))
        tokens = bytearray(self._padding)
        _put(tokens, begin, 0)
        _put(tokens, end, self._begin_size + self._end_size - len(end))
        shape = (self._begin_size + self._end_size,)
        return Encoded({"bytes": Tensor("bytes", INT32, shape, memoryview(tokens))})

    def decode(self, outputs: Mapping[str, Tensor], context: Any) -> Answer:
        """The best label if its score is high enough, else whether the file is text at all."""
        scores = list(outputs["target_label"].values())
        score = max(scores)
        guess = self._labels[scores.index(score)]
        label = self._overwrites.get(guess, guess)
        if score < self._thresholds.get(guess, self._threshold):
            label = "txt" if self._types[label]["is_text"] else "unknown"
        return self._answer(label, score)

    def _answer(self, label: str, score: float) -> Answer:
        known = self._types[label]
        is_text = known["is_text"]
        return {
            "label": label,
            "score": score,
            "description": known["description"] or label,
            "mime_type": known["mime_type"] or ("text/plain" if is_text else "application/octet-stream"),
            "group": known["group"] or "unknown",
            "extensions": known["extensions"],
            "is_text": is_text,
        }


def _put(tokens: bytearray, content: bytes, start: int) -> None:
    """Write bytes as little-endian tokens: each byte, then the zeros that were padding."""
    first, stop = start * TOKEN_BYTES, (start + len(content)) * TOKEN_BYTES
    tokens[first:stop] = bytes(stop - first)
    tokens[first:stop:TOKEN_BYTES] = content


def _label_of_few(content: bytes) -> str:
    try:
        content.decode()
    except UnicodeDecodeError:
        return "unknown"
    return "txt"
