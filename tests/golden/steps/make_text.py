"""Make `text.json` and the three tokenizers beside it: what `transformers` answers, kept.

The `text` step is held to the tokenizers that people train with. They are heavy, so the tests read
what they answered once. To make the files again, in an environment of its own:

    python -m venv tokenizers && tokenizers/bin/pip install transformers==5.23.0 tokenizers==0.23.3
    tokenizers/bin/python tests/golden/steps/make_text.py

The tokenizers are trained on the few sentences below: one per kind that is in use (WordPiece as BERT,
byte-level BPE as RoBERTa, Unigram as T5), a few kilobytes each. One that is there already is kept, as
training breaks ties by chance.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).parent

CORPUS = [
    "The quick brown fox jumps over the lazy dog.",
    "A model is one function, and a function is one model!",
    "Sentences of different lengths are padded, or cut, to one length.",
    "Don't stop believing: it's 3.14159, isn't it?",
    "Zürich, naïve, façade, Ångström; crème brûlée",
    "今天天气很好,我们去公园散步。",
    "机器学习模型把文字变成向量。",
]
TEXTS = [
    "The quick brown fox",
    "",
    " ",
    "unseen xylophones, quizzically",
    "NAÏVE façade\tand\nlines",
    "今天去公园 and back",
    "emoji 🦊 and 👩‍👩‍👧 families",
    "a [MASK] and </s> in the text",
    "one function and one model. " * 4,
]
PAIRS = [
    ("The quick brown fox", "jumps over the lazy dog"),
    ("", "only the second"),
    ("the first is by far the longer one of the two texts here", "short"),
    ("short", "the second is by far the longer one of the two texts here"),
]
SETTINGS: list[dict[str, Any]] = [
    {"padding": "longest", "max_length": 64},
    {"padding": "max_length", "max_length": 12},
    {"padding": "max_length", "max_length": 12, "padding_side": "left", "truncation_side": "left"},
    {"padding": "longest", "max_length": 9, "add_special_tokens": False},
]
PAIR_SETTINGS: list[dict[str, Any]] = [
    {"padding": "max_length", "max_length": 16},
    {"padding": "longest", "max_length": 18, "truncation": "only_first"},
    {"padding": "longest", "max_length": 18, "truncation": "only_second"},
]


def wordpiece() -> PreTrainedTokenizerFast:
    """As BERT: lower case, accents dropped, Chinese by character."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=240, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    # As published tokenizers do: settings of training, which the parameters of the step go before.
    tokenizer.enable_truncation(32)
    tokenizer.enable_padding(length=32, pad_token="[PAD]", pad_id=0)
    return _saved("wordpiece", tokenizer, pad_token="[PAD]", unk_token="[UNK]")


def bpe() -> PreTrainedTokenizerFast:
    """As RoBERTa: bytes, case kept, `<pad>` not at 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=330,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return _saved("bpe", tokenizer, pad_token="<pad>")


def unigram() -> PreTrainedTokenizerFast:
    """As T5: pieces with a leading mark, one special token behind."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(
            vocab_size=200,
            special_tokens=["<pad>", "</s>", "<unk>"],
            unk_token="<unk>",
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return _saved("unigram", tokenizer, pad_token="<pad>")


def _saved(name: str, tokenizer: Tokenizer, **special: str) -> PreTrainedTokenizerFast:
    path = HERE / f"{name}.json"
    if not path.exists():
        document = json.loads(tokenizer.to_str())
        path.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
    return PreTrainedTokenizerFast(tokenizer_file=str(path), **special)


def _answer(tokenizer: PreTrainedTokenizerFast, texts: tuple[str, ...], settings: dict[str, Any]) -> Any:
    wanted = {"truncation": "longest_first", "add_special_tokens": True, **settings}
    tokenizer.padding_side = wanted.pop("padding_side", "right")
    tokenizer.truncation_side = wanted.pop("truncation_side", "right")
    try:
        made = tokenizer(*texts, return_token_type_ids=True, **wanted)
    except Exception:  # the text that may be cut is shorter than what is to be cut
        return None
    return [made["input_ids"], made["attention_mask"], made["token_type_ids"]]


def main() -> None:
    """Write the files."""
    cases = []
    for make in (wordpiece, bpe, unigram):
        tokenizer = make()
        for settings in SETTINGS:
            cases += [
                {"tokenizer": make.__name__, "settings": settings, "texts": [text],
                 "answer": _answer(tokenizer, (text,), settings)}
                for text in TEXTS
            ]  # fmt: skip
        for settings in PAIR_SETTINGS:
            cases += [
                {"tokenizer": make.__name__, "settings": settings, "texts": list(pair),
                 "answer": _answer(tokenizer, pair, settings)}
                for pair in PAIRS
            ]  # fmt: skip
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    (HERE / "text.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
