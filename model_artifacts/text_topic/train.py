"""Learns what a sentence is about, in English and Chinese, from the conversations of chatterbot-corpus."""

import json
import tomllib
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import yaml
from keras import layers
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from modelet_runtime.steps.vocabulary import Vocabulary

SEED = 1
LANGUAGES = ("english", "chinese")
TOPICS = ("ai", "emotion", "literature", "money", "science", "sports")
PARTS = 5  # one of them is held out
LENGTH = 24  # words; one sentence in fifty is longer
UNKNOWN, FIRST = 1, 2  # 0 is padding
EPOCHS = 15
GAPS = 0.1

FOLDER = Path(__file__).parent
TokenIds = NDArray[np.int32]


class Sentence(NamedTuple):
    """A sentence of a conversation; `opening` is the conversation's first one."""

    text: str
    topic: str
    language: str
    opening: str


def sentences() -> list[Sentence]:
    """Every sentence on the topics, once."""
    found: dict[str, Sentence] = {}
    for topic in TOPICS:
        for language in LANGUAGES:
            data = files("chatterbot_corpus").joinpath(f"data/{language}/{topic}.yml").read_text("utf-8")
            for conversation in yaml.safe_load(data)["conversations"]:
                texts = [str(text).strip() for text in conversation]
                for text in filter(None, texts):
                    found.setdefault(text.lower(), Sentence(text, topic, language, texts[0].lower()))
    return list(found.values())


def split() -> tuple[list[Sentence], list[Sentence]]:
    """Sentences to train on and others to test with; answers to one question are on the same side."""
    every = sentences()
    topics, openings = [each.topic for each in every], [each.opening for each in every]
    parts = StratifiedGroupKFold(PARTS, shuffle=True, random_state=SEED)
    known, held_out = next(iter(parts.split(topics, topics, openings)))
    return [every[i] for i in known], [every[i] for i in held_out]


def settings() -> dict[str, object]:
    """How the step `words` of `model.toml` takes texts apart."""
    [step] = tomllib.loads((FOLDER / "model.toml").read_text("utf-8"))["input"]["steps"]
    return {key: value for key, value in step.items() if key not in ("name", "vocabulary")}


def vocabulary() -> dict[str, int]:
    """The words of the sentences to train on, most frequent first; `vocabulary.json` holds them."""
    splitter = Vocabulary({str(settings()["oov_token"]): UNKNOWN}, settings())
    counted = Counter(word for known in split()[0] for word in splitter.words(known.text))
    words = sorted(counted, key=lambda word: (-counted[word], word))
    return {str(settings()["oov_token"]): UNKNOWN} | {word: FIRST + rank for rank, word in enumerate(words)}


def token_ids(texts: list[str]) -> TokenIds:
    """What the step makes of texts: `int32[texts, 24]`, padded in front."""
    words = json.loads((FOLDER / "vocabulary.json").read_text("utf-8"))
    indices = Vocabulary(words, settings()).indices
    rows = [indices(text)[-LENGTH:] for text in texts]
    return np.array([[0] * (LENGTH - len(row)) + row for row in rows], np.int32)


def build() -> keras.Model:
    """Train; rare topics count more, so that common ones are not the answer to everything."""
    keras.utils.set_random_seed(SEED)
    known, _ = split()
    ids = token_ids([each.text for each in known])
    topics = np.array([TOPICS.index(each.topic) for each in known])
    weights = np.sqrt(len(topics) / np.bincount(topics) / len(TOPICS))[topics]
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32", name="token_ids"),
            layers.Embedding(int(ids.max()) + 1, 64, name="meanings"),
            layers.SpatialDropout1D(0.5, name="some_meanings"),
            layers.LSTM(32, name="reader"),
            layers.Dropout(0.5, name="some_features"),
            layers.Dense(len(TOPICS), activation="softmax", name="probabilities"),
        ],
        name="text_topic",
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    seen = np.concatenate([_with_gaps(ids, epoch) for epoch in range(EPOCHS)])
    answers = np.tile(np.eye(len(TOPICS))[topics], (EPOCHS, 1))
    model.fit(seen, answers, 32, sample_weight=np.tile(weights, EPOCHS), verbose=2)
    return model


def _with_gaps(ids: TokenIds, epoch: int) -> TokenIds:
    """One word in ten becomes an unknown one, as it happens to sentences that were never seen."""
    is_gap = np.random.default_rng(epoch).random(ids.shape) < GAPS
    return np.where(is_gap & (ids != 0), np.int32(UNKNOWN), ids)


def samples() -> TokenIds:
    """The sentences that `build` has not seen, as the graph takes them."""
    return token_ids([each.text for each in split()[1]])


def targets() -> list[str]:
    """What they are about."""
    return [each.topic for each in split()[1]]


if __name__ == "__main__":
    (FOLDER / "vocabulary.json").write_text(json.dumps(vocabulary(), ensure_ascii=False, indent=0) + "\n")
