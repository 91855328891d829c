"""Make `words.json` and `words_tokenizer.json`: what Keras answers, kept.

To make them again, in an environment of its own (on Linux, CPU):

    python -m venv keras && keras/bin/pip install keras==3.15.1 tensorflow-cpu==2.21.0
    keras/bin/python tests/golden/steps/make_words.py
"""

import json
from pathlib import Path
from typing import Any

import keras
from keras._tf_keras.keras.preprocessing.text import Tokenizer
from keras.utils import pad_sequences

HERE = Path(__file__).parent

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "The dog, the fox; and THE hen!",
    "Don't stop\tbelieving:\nit's over",
    "",
    "  two   spaces  ",
    "unheard-of words only",
    "今天天气很好,我们去公园散步。",
    "天气 好 Good",
    "ÉCOLE école Straße İstanbul",
    "non\u00a0breaking\u3000and\x0bother spaces",
]
TOKENIZERS: list[dict[str, Any]] = [
    {},
    {"oov_token": "<oov>"},
    {"num_words": 5, "oov_token": "<oov>"},
    {"num_words": 5},
    {"lower": False, "filters": "!.,", "split": "\t"},
    {"char_level": True, "oov_token": "?"},
]
PADDINGS: list[dict[str, Any]] = [
    {"maxlen": 6},
    {"maxlen": 6, "padding": "post", "truncating": "post", "value": 7},
]
VECTORIZATIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"standardize": "lower_and_strip_punctuation", "split": "whitespace"},
        {"lower": "ascii", "filtered_to": "", "split": "whitespace"},
    ),
    (
        {"standardize": "strip_punctuation", "split": "character"},
        {"lower": False, "filtered_to": "", "char_level": True},
    ),
]
# What the layer strips: all of ASCII's punctuation.
PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"


def of_tokenizer(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The padded indices, and the vocabulary as `{word: index}`."""
    tokenizer = Tokenizer(**settings)
    tokenizer.fit_on_texts(TEXTS[:1] + TEXTS[6:9])
    sequences = tokenizer.texts_to_sequences(TEXTS)
    return [
        {
            "parameters": {**settings, **padding},
            "vocabulary": tokenizer.word_index,
            "answers": pad_sequences(sequences, **padding).tolist(),
        }
        for padding in PADDINGS
    ]


def of_vectorization(keras_settings: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The same of a `TextVectorization` layer, whose vocabulary is a list."""
    layer = keras.layers.TextVectorization(output_sequence_length=6, **keras_settings)
    layer.adapt(TEXTS[:1] + TEXTS[6:9])
    ends = {"padding": "post", "truncating": "post", "maxlen": 6}
    return {
        "parameters": {**settings, **ends, "filters": PUNCTUATION},
        "vocabulary": list(map(str, layer.get_vocabulary())),
        "answers": layer(TEXTS).numpy().tolist(),
    }


def main() -> None:
    """Write the files."""
    cases = [case for settings in TOKENIZERS for case in of_tokenizer(settings)]
    cases += [of_vectorization(*pair) for pair in VECTORIZATIONS]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    texts = json.dumps(TEXTS, ensure_ascii=False)
    (HERE / "words.json").write_text(f'{{"texts":{texts},\n"cases":[\n{lines}\n]}}\n')
    tokenizer = Tokenizer(num_words=9, oov_token="<oov>", char_level=True)
    tokenizer.fit_on_texts(TEXTS)
    (HERE / "words_tokenizer.json").write_text(tokenizer.to_json() + "\n")


if __name__ == "__main__":
    main()
