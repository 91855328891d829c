import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.manifests import manifest, specs

from modelet_runtime.errors import ArtifactError, ClientError, InvalidRequest
from modelet_runtime.manifest import Step
from modelet_runtime.steps.base import Cell, Encoded, Padding, Pipeline
from modelet_runtime.steps.pipeline import build

GOLDEN = Path(__file__).parents[2] / "golden" / "steps"
CASES = json.loads((GOLDEN / "text.json").read_text())
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
EMBEDDING = specs(embedding=("FP32", -1, 8))


def pipeline(
    tokenizer: str = "wordpiece",
    length: int = -1,
    inputs: Any = INPUTS,
    outputs: Any = EMBEDDING,
    datatype: str = "INT64",
    **parameters: Any,
) -> Pipeline:
    step = Step("text", {"tokenizer": f"{tokenizer}.json", **parameters})
    taken = specs(**dict.fromkeys(inputs, (datatype, -1, length)))
    return build(manifest(taken, outputs, input_steps=(step,)), GOLDEN)


def rows(made: Any) -> list[list[int]]:
    assert isinstance(made, Encoded)
    return [list(tensor.values()) for tensor in made.tensors.values()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['tokenizer']}-{case['texts'][0][:9]}")
def test_gives_what_transformers_gives(case):
    fields = ["text", "pair"][: len(case["texts"])]
    record = dict(zip(fields, case["texts"], strict=True))
    made = pipeline(case["tokenizer"], fields=fields, **case["settings"])
    if case["answer"] is None:
        with pytest.raises(InvalidRequest, match="at most"):
            made.encode(record)
    else:
        assert rows(made.encode(record)) == case["answer"]


class TestForms:
    @pytest.mark.parametrize("value", ["a fox", b"a fox", {"text": "a fox"}, ["a fox"], Cell("a fox")])
    def test_a_text_comes_bare_in_a_record_or_in_a_row(self, value):
        assert rows(pipeline().encode(value)) == rows(pipeline().encode("a fox"))

    @pytest.mark.parametrize("value", [{"b": "two", "a": "one"}, ["one", "two"], [Cell("one"), Cell("two")]])
    def test_a_pair_comes_by_name_or_position(self, value):
        made = pipeline(fields=["a", "b"])
        assert made.media_types == ("application/json", "text/csv")
        assert set(rows(made.encode(value))[2]) == {0, 1}

    def test_a_list_is_many(self):
        assert pipeline().rows(["a", "b"]) == ["a", "b"]
        assert pipeline().rows([{"text": "a"}]) == [{"text": "a"}]
        assert pipeline().rows({"text": "a"}) is None
        assert pipeline(fields=["a", "b"]).rows(["one", "two"]) is None
        assert pipeline(fields=["a", "b"]).rows([["one", "two"]]) == [["one", "two"]]
        assert pipeline(fields=["a", "b"]).rows([{"a": "x", "b": "y"}]) == [{"a": "x", "b": "y"}]

    def test_other_fields_are_other_inputs(self):
        inputs = specs(ids=("INT32", -1, -1), age=("FP32", -1, 1))
        step = Step("text", {"tokenizer": "wordpiece.json", "input_ids": "ids"})
        made = build(manifest(inputs, EMBEDDING, input_steps=(step,)), GOLDEN)
        encoded = made.encode({"text": "a fox", "age": 39})
        assert isinstance(encoded, Encoded)
        assert encoded.tensors["ids"].datatype.name == "INT32"
        assert list(encoded.tensors["age"].values()) == [39.0]


class TestInputs:
    def test_feeds_those_the_graph_has(self):
        encoded = pipeline(inputs=("input_ids", "attention_mask")).encode("a fox")
        assert isinstance(encoded, Encoded)
        assert list(encoded.tensors) == ["input_ids", "attention_mask"]

    def test_the_only_input_may_have_any_name(self):
        encoded = pipeline(inputs=("tokens",), datatype="INT32").encode("a fox")
        assert isinstance(encoded, Encoded)
        assert encoded.tensors["tokens"].datatype.name == "INT32"

    def test_a_fixed_length_is_filled(self):
        ids, mask, types = rows(pipeline(length=12).encode("a fox"))
        assert len(ids) == len(mask) == len(types) == 12
        assert mask == sorted(mask, reverse=True)
        assert len(rows(pipeline(length=4).encode("a fox and another fox"))[0]) == 4

    def test_a_graph_of_one_row_keeps_its_axis(self):
        taken = specs(input_ids=("INT64", 1, 12))
        step = Step("text", {"tokenizer": "wordpiece.json"})
        encoded = build(manifest(taken, specs(y=("FP32", 1, 8)), input_steps=(step,)), GOLDEN).encode("a fox")
        assert isinstance(encoded, Encoded)
        assert encoded.tensors["input_ids"].shape == (1, 12)


class TestPadding:
    def test_rows_may_grow_where_a_mask_tells(self):
        encoded = pipeline("bpe", max_length=32).encode("a fox")
        assert isinstance(encoded, Encoded)
        assert encoded.padding == {
            "input_ids": Padding(1),  # <pad>
            "attention_mask": Padding(0),
            "token_type_ids": Padding(0),
        }

    @pytest.mark.parametrize(
        "changes",
        [
            {"inputs": ("input_ids",)},  # no mask
            {"outputs": specs(tags=("FP32", -1, -1, 5))},  # an answer per token
            {"padding_side": "left"},  # other positions
            {"length": 16},
            {"padding": "max_length"},
            {"padding": "do_not_pad"},
        ],
    )
    def test_rows_stay_as_they_are_where_padding_would_show(self, changes):
        encoded = pipeline(**changes).encode("a fox")
        assert isinstance(encoded, Encoded)
        assert not encoded.padding


class TestRefuses:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (3, ["text", "int"]),
            (None, ["NoneType"]),
            ([], ["list"]),
            (["a", "b"], ["list"]),
            ({"txt": "a"}, ["the field 'text'", "txt"]),
            ({"text": "a", "id": 1}, ["only text", "'id'"]),
            ({"text": 3}, ["text", "int"]),
            (b"\xff", ["UTF-8"]),
            ("\ud800", ["Unicode", "surrogate"]),
        ],
    )
    def test_what_is_no_text(self, value, words):
        with pytest.raises(InvalidRequest) as caught:
            pipeline().encode(value)
        assert all(word in str(caught.value) for word in words)

    def test_what_is_too_long_if_told_to(self):
        made = pipeline(truncation="refuse", max_length=5)
        assert len(rows(made.encode("the fox"))[0]) <= 5
        with pytest.raises(InvalidRequest, match="at most 5 tokens, got "):
            made.encode("the quick brown fox jumps")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"tokenizer": "missing"}, "missing.json: FileNotFoundError"),
            ({"tokenizer": "text"}, "tokenizer: text.json"),
            ({"tokenizer": "bpe"}, "max_length: missing"),
            ({"length": 8, "max_length": 9}, "max_length: expected 8, as the graph says, got 9"),
            ({"max_length": 1}, "max_length"),
            ({"pad_token": "<nil>"}, "pad_token: expected a token of the tokenizer"),
            ({"inputs": ("ids", "mask")}, "input_ids: the model has no 'input_ids': ids, mask"),
            ({"datatype": "BYTES"}, "expected numbers, got BYTES"),
            ({"fields": ["a", "a"]}, "one or two names"),
            ({"fields": []}, "one or two names"),
            ({"max_length": 0}, "at least 1"),
            ({"truncation": "only_second"}, "needs two fields"),
        ],
    )
    def test_a_model_it_does_not_fit(self, changes, words):
        with pytest.raises(ArtifactError, match=r"^input\.steps: step 'text': ") as caught:
            pipeline(**changes)
        assert words in str(caught.value)


TEXTS = st.text() | st.text(st.characters(codec=None)) | st.binary()
JSON = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
ANY = JSON | st.lists(JSON, max_size=3) | st.dictionaries(st.sampled_from(["text", "b", "b64"]), JSON)
MADE = {name: pipeline(name, max_length=16) for name in ("wordpiece", "bpe", "unigram")}


@given(ANY, st.sampled_from(sorted(MADE)))
def test_any_value_gives_tokens_or_the_clients_error(value, name):
    try:
        ids, mask, types = rows(MADE[name].encode(value))
    except ClientError:
        return
    assert len(ids) == len(mask) == len(types) <= 16


def test_tokenizes_without_numpy_and_without_the_hub():
    code = f"""
import sys
from pathlib import Path
sys.path[:0] = {sys.path!r}
from support.manifests import manifest, specs
from modelet_runtime.manifest import Step
from modelet_runtime.steps.pipeline import build
step = Step("text", {{"tokenizer": "wordpiece.json"}})
inputs = specs(input_ids=("INT64", -1, -1), attention_mask=("INT64", -1, -1))
build(manifest(inputs, specs(y=("FP32", -1)), input_steps=(step,)), Path({str(GOLDEN)!r})).encode("a fox")
import threading
threads = len(list(Path("/proc/self/task").iterdir())) if Path("/proc/self/task").exists() else 1
print(threads, [name for name in ("numpy", "huggingface_hub", "requests", "httpx") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 []"  # no pool of threads either
