import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.manifests import manifest, specs

from modelet_runtime.errors import ArtifactError, ClientError, InvalidRequest
from modelet_runtime.manifest import Step
from modelet_runtime.steps.base import Cell, Encoded, Pipeline
from modelet_runtime.steps.pipeline import build

GOLDEN = Path(__file__).parents[2] / "golden" / "steps"
KERAS = json.loads((GOLDEN / "words.json").read_text())
OUTPUTS = specs(topic=("FP32", -1, 8))
VOCABULARY = {"the": 1, "fox": 2, "jumps": 3}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "vocabulary.json").write_text(json.dumps(VOCABULARY))
    return tmp_path


def pipeline(
    folder: Path, shape: tuple[int, ...] = (-1, 4), datatype: str = "INT64", **parameters: Any
) -> Pipeline:
    step = Step("words", parameters)
    return build(manifest(specs(x=(datatype, *shape)), OUTPUTS, input_steps=(step,)), folder)


def indices(made: Pipeline, value: Any) -> list[int]:
    encoded = made.encode(value)
    assert isinstance(encoded, Encoded)
    return list(encoded.tensors["x"].values())


@pytest.mark.parametrize("case", KERAS["cases"], ids=lambda case: "-".join(case["parameters"]))
@pytest.mark.parametrize("shape", [(-1, -1), (-1, 6)])
def test_gives_what_keras_gives(tmp_path, case, shape):
    (tmp_path / "vocabulary.json").write_text(json.dumps(case["vocabulary"]))
    made = pipeline(tmp_path, shape, "INT32", **case["parameters"])
    assert [indices(made, text) for text in KERAS["texts"]] == case["answers"]


@pytest.mark.parametrize("split", [" ", "whitespace", "-"])
def test_chinese_characters_are_words_among_others(tmp_path, split):
    (tmp_path / "vocabulary.json").write_text(json.dumps({"<oov>": 1, "fox": 2, "狐": 3, "狸": 4, "かに": 5}))
    made = pipeline(
        tmp_path,
        (-1, 7),
        split=split,
        filters="，" if split != "-" else "， ",
        split_chinese=True,
        oov_token="<oov>",
    )
    assert indices(made, "Fox狐狸，𠀀fox かに") == [0, 2, 3, 4, 1, 2, 5]


class TestVocabulary:
    def test_of_keras_own_file_brings_its_settings(self):
        # num_words = 9, oov_token = "<oov>", char_level = true, lower = true: as make_words.py says.
        made = pipeline(GOLDEN, vocabulary="words_tokenizer.json")
        words = json.loads(json.loads((GOLDEN / "words_tokenizer.json").read_text())["config"]["word_index"])
        assert indices(made, "T好!") == [0, words["t"], 1, 1]
        assert indices(pipeline(GOLDEN, vocabulary="words_tokenizer.json", lower=False), "T") == [0, 0, 0, 1]

    def test_of_lines_counts_from_zero(self, folder):
        (folder / "words.txt").write_text("\n[UNK]\nthe\nfox\n")
        assert indices(pipeline(folder, vocabulary="words.txt"), "the red fox") == [0, 2, 1, 3]

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("{", "JSONDecodeError"),
            ('{"the": "1"}', "an index for each word"),
            ('{"class_name": "Tokenizer"}', "config"),
            ("3", "AttributeError"),
            ('[["a"]]', "TypeError"),
        ],
    )
    def test_of_another_form_is_refused(self, folder, content, words):
        (folder / "vocabulary.json").write_text(content)
        with pytest.raises(ArtifactError, match=r"step 'words': vocabulary") as caught:
            pipeline(folder)
        assert words in str(caught.value)


class TestForms:
    @pytest.mark.parametrize(
        "value", ["the fox", b"the fox", {"text": "the fox"}, ["the fox"], Cell("the fox")]
    )
    def test_a_text_comes_bare_in_a_record_or_in_a_row(self, folder, value):
        assert indices(pipeline(folder), value) == [0, 0, 1, 2]

    def test_a_list_is_many(self, folder):
        assert pipeline(folder).rows(["a", "b"]) == ["a", "b"]
        assert pipeline(folder).rows({"text": "a"}) is None

    @pytest.mark.parametrize("datatype", ["FP32", "INT32", "UINT16"])
    def test_takes_the_graphs_datatype(self, folder, datatype):
        assert indices(pipeline(folder, datatype=datatype), "the fox") == [0, 0, 1, 2]

    def test_other_fields_are_other_inputs(self, folder):
        inputs = specs(x=("INT64", -1, 4), age=("FP32", -1, 1))
        step = Step("words", {"input": "x", "field": "note"})
        encoded = build(manifest(inputs, OUTPUTS, input_steps=(step,)), folder).encode(
            {"note": "the fox", "age": 3}
        )
        assert isinstance(encoded, Encoded)
        assert list(encoded.tensors["age"].values()) == [3.0]


class TestRefuses:
    @pytest.mark.parametrize("value", [3, None, [], {"a": "b"}, {"text": 3}, b"\xff", {"text": "a", "b": 1}])
    def test_what_is_no_text(self, folder, value):
        with pytest.raises(ClientError):
            pipeline(folder).encode(value)

    def test_half_of_a_surrogate_pair_is_an_unknown_word(self, folder):
        assert indices(pipeline(folder), "the \ud800") == [0, 0, 0, 1]

    @pytest.mark.parametrize(
        ("shape", "changes", "words"),
        [
            ((-1, 4), {"maxlen": 5}, "maxlen: expected the length of input 'x' [4]"),
            ((-1, -1), {}, "maxlen: expected the length"),
            ((-1, 2, 2), {}, "one row of indices"),
            ((-1,), {}, "one row of indices"),
            ((-1, 4), {"vocabulary": "none.json"}, "none.json: FileNotFoundError"),
            ((-1, 4), {"oov_token": "<oov>"}, "'<oov>' is not in the vocabulary"),
            ((-1, 4), {"input": "y"}, "'y' among the model's inputs x"),
            ((-1, 4), {"maxlen": 0}, "at least 1"),
            ((-1, 4), {"split": ""}, "char_level"),
            ((-1, 4), {"datatype": "BYTES"}, "expected numbers"),
            ((-1, 4), {"lower": "yes"}, 'true or false or "ascii"'),
        ],
    )
    def test_a_model_it_does_not_fit(self, folder, shape, changes, words):
        with pytest.raises(ArtifactError, match=r"^input\.steps: step 'words': ") as caught:
            pipeline(folder, shape, **changes)
        assert words in str(caught.value)


@given(st.text(st.characters(codec=None)) | st.binary() | st.none() | st.floats() | st.lists(st.text()))
def test_any_value_gives_indices_or_the_clients_error(value):
    made = pipeline(GOLDEN, vocabulary="words_tokenizer.json")
    try:
        assert len(indices(made, value)) == 4
    except InvalidRequest:
        return
