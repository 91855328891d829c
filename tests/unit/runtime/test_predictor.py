from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.manifests import Function, FunctionSession, manifest, specs

from modelet_runtime.errors import (
    ClientError,
    DatatypeMismatch,
    DeadlineExceeded,
    InferenceFailed,
    InferenceRejected,
    InvalidRequest,
    MissingTensor,
    ShapeMismatch,
    UnknownTensor,
)
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps.base import Answer, Answered, Encoded, Value
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import DATATYPES, Tensor

FP32, INT64, BYTES = DATATYPES["FP32"], DATATYPES["INT64"], DATATYPES["BYTES"]
PAIR = specs(a=("FP32", -1, 2), b=("FP32", -1, 2))
SUMS = specs(sum=("FP32", -1, 2), first=("FP32", -1))


def add(inputs: Mapping[str, Tensor]) -> list[Tensor]:
    """`sum = a + b`, and `first`, the first element of each row of `a`."""
    a, b = inputs["a"], inputs["b"]
    sums = [x + y for x, y in zip(a.values(), b.values(), strict=True)]
    return [
        Tensor.from_values("sum", FP32, a.shape, sums),
        Tensor.from_values("first", FP32, a.shape[:1], list(a.values())[::2]),
    ]


def predictor(inputs: Any = PAIR, outputs: Any = SUMS, function: Function = add, **changes: Any) -> Predictor:
    made = manifest(inputs, outputs, **changes)
    return Predictor(made, FunctionSession(made.signature, function), build(made, Path()))


def pair(rows: int = 1) -> list[Tensor]:
    values = [float(index) for index in range(2 * rows)]
    return [Tensor.from_values(name, FP32, (rows, 2), values) for name in "ab"]


class TestInfer:
    def test_runs_and_counts(self):
        model = predictor()
        outputs = model.infer(pair(3))
        assert [(tensor.name, list(tensor.values())) for tensor in outputs] == [
            ("sum", [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
            ("first", [0.0, 2.0, 4.0]),
        ]
        assert (model.statistics.inference_count, model.statistics.execution_count) == (3, 1)

    def test_gives_the_outputs_asked_for_in_that_order(self):
        model = predictor()
        assert [tensor.name for tensor in model.infer(pair(), ["first", "sum"])] == ["first", "sum"]
        assert [tensor.name for tensor in model.infer(pair(), ["first"])] == ["first"]
        assert [tensor.name for tensor in model.infer(pair(), [])] == ["sum", "first"]

    def test_takes_inputs_in_any_order(self):
        [a, b] = pair()
        assert predictor().infer([b, a])[0].name == "sum"

    def test_passes_the_timeout_on(self):
        made = manifest(PAIR, SUMS)
        session = FunctionSession(made.signature, add)
        Predictor(made, session, build(made, Path())).infer(pair(), timeout_s=1.5)
        assert session.timeouts_s == [1.5]

    @pytest.mark.parametrize(
        ("inputs", "outputs", "error", "words"),
        [
            (pair()[:1], None, MissingTensor, ["'b'", "a"]),
            ([*pair(), pair()[0].renamed("c")], None, UnknownTensor, ["input 'c'", "a, b"]),
            ([*pair(), pair()[0]], None, InvalidRequest, ["each input once"]),
            (pair(), ["sum", "mean"], UnknownTensor, ["output 'mean'", "first, sum"]),
            (
                [pair()[0], Tensor.from_values("b", INT64, (1, 2), [1, 2])],
                None,
                DatatypeMismatch,
                ["'b'", "FP32", "INT64"],
            ),
            (
                [pair()[0], Tensor.from_values("b", FP32, (1, 3), [1, 2, 3])],
                None,
                ShapeMismatch,
                ["'b'", "[-1,2]", "[1,3]"],
            ),
            (
                [pair()[0], Tensor.from_values("b", FP32, (2,), [1, 2])],
                None,
                ShapeMismatch,
                ["'b'", "[-1,2]", "[2]"],
            ),
        ],
    )
    def test_refuses_what_the_signature_does_not_say(self, inputs, outputs, error, words):
        model = predictor()
        with pytest.raises(error) as caught:
            model.infer(inputs, outputs)
        assert all(word in str(caught.value) for word in words)
        assert caught.value.status == 400
        assert model.statistics.as_dict()["inference_stats"]["fail"]["count"] == 1
        assert model.statistics.execution_count == 0

    def test_leaves_variable_axes_free(self):
        outputs = predictor().infer(pair(0))
        assert [tensor.shape for tensor in outputs] == [(0, 2), (0,)]

    def test_counts_what_the_session_refuses(self):
        def refuse(inputs: Mapping[str, Tensor]) -> list[Tensor]:
            raise InferenceRejected("index out of bounds")

        model = predictor(function=refuse)
        with pytest.raises(InferenceRejected):
            model.infer(pair())
        assert model.statistics.as_dict()["inference_stats"]["fail"]["count"] == 1

    def test_counts_one_row_for_a_graph_without_a_batch_axis(self):
        def negate(inputs: Mapping[str, Tensor]) -> list[Tensor]:
            return [Tensor.from_values("y", FP32, (3,), [-x for x in inputs["x"].values()])]

        model = predictor(specs(x=("FP32", 3)), specs(y=("FP32", 3)), negate)
        model.infer([Tensor.from_values("x", FP32, (3,), [1, 2, 3])])
        assert model.statistics.inference_count == 1


class Words:
    """A pipeline by hand: words to their lengths; the empty one is answered at once."""

    media_types = ("text/plain",)

    def encode(self, value: Value) -> Encoded | Answered:
        if value == "":
            return Answered("empty")
        if not value.isalpha():
            raise InvalidRequest("word", "letters", value)
        codes = list(value.encode())
        return Encoded({"codes": Tensor.from_values("codes", INT64, (len(codes),), codes)}, context=value)

    def decode(self, outputs: Mapping[str, Tensor], context: Any) -> Answer:
        return f"{context}={outputs['total'].values()[0]}"


def total(inputs: Mapping[str, Tensor]) -> list[Tensor]:
    codes = inputs["codes"]
    rows, width = codes.shape
    values = list(codes.values())
    if 0x7A in values:
        raise InferenceRejected("'z' is outside the table")
    sums = [sum(values[row * width : (row + 1) * width]) for row in range(rows)]
    return [Tensor.from_values("total", INT64, (rows,), sums)]


def words() -> tuple[Predictor, FunctionSession]:
    made = manifest(specs(codes=("INT64", -1, -1)), specs(total=("INT64", -1)))
    session = FunctionSession(made.signature, total)
    return Predictor(made, session, Words()), session


class TestPredict:
    def test_answers_records_in_their_order(self):
        model = predictor()
        records = [{"a": [1, 2], "b": [3, 4]}, {"b": [1, 1], "a": [0, 0]}]
        assert model.predict(records) == [
            {"sum": [4.0, 6.0], "first": 1.0},
            {"sum": [1.0, 1.0], "first": 0.0},
        ]
        assert (model.statistics.inference_count, model.statistics.execution_count) == (2, 1)

    def test_answers_nothing_with_nothing(self):
        model = predictor()
        assert model.predict([]) == []
        assert model.statistics.execution_count == 0

    def test_runs_rows_of_equal_shape_together(self):
        model, session = words()
        answers = model.predict(["ab", "abc", "", "ba", "c"])
        assert answers == ["ab=195", "abc=294", "empty", "ba=195", "c=99"]
        assert [call[0].shape for call in session.calls] == [(2, 2), (1, 3), (1, 1)]

    def test_runs_nothing_when_all_rows_are_answered(self):
        model, session = words()
        assert model.predict(["", ""]) == ["empty", "empty"]
        assert session.calls == []

    def test_names_the_row_that_cannot_be_encoded(self):
        model, session = words()
        with pytest.raises(InvalidRequest, match=r"^row 2: word: expected letters, got a1$") as caught:
            model.predict(["ab", "", "a1"])
        assert caught.value.details["actual"] == "a1"
        assert session.calls == []

    def test_names_no_row_where_there_is_one(self):
        with pytest.raises(InvalidRequest, match=r"^word: expected letters"):
            words()[0].predict(["a1"])

    def test_names_the_row_that_the_graph_refuses(self):
        with pytest.raises(InferenceRejected, match=r"^row 3: 'z' is outside"):
            words()[0].predict(["ab", "abc", "cd", "zz"])

    def test_stacks_text(self):
        def shout(inputs: Mapping[str, Tensor]) -> list[Tensor]:
            text = inputs["text"]
            return [Tensor("loud", BYTES, text.shape, tuple(word.upper() for word in text.elements))]

        model = predictor(specs(text=("BYTES", -1)), specs(loud=("BYTES", -1)), shout)
        assert model.predict(["hello", "grüezi"]) == ["HELLO", "GRüEZI"]
        assert model.statistics.execution_count == 1

    def test_runs_one_by_one_without_a_batch_axis(self):
        def negate(inputs: Mapping[str, Tensor]) -> list[Tensor]:
            return [Tensor.from_values("y", FP32, (2,), [-x for x in inputs["x"].values()])]

        model = predictor(specs(x=("FP32", 2)), specs(y=("FP32", 2)), negate)
        assert model.predict([[1, 2], [3, 4]]) == [[-1.0, -2.0], [-3.0, -4.0]]
        assert model.statistics.execution_count == 2

    def test_gives_all_runs_one_deadline(self):
        model, session = words()
        model.predict(["a", "bb"], timeout_s=60)
        first, second = session.timeouts_s
        assert first is not None
        assert second is not None
        assert second < first <= 60

    def test_stops_at_the_deadline(self):
        model, session = words()
        with pytest.raises(DeadlineExceeded):
            model.predict(["a"], timeout_s=0)
        assert session.calls == []

    def test_says_so_when_the_first_output_axis_is_no_batch(self):
        def flat(inputs: Mapping[str, Tensor]) -> list[Tensor]:
            return [Tensor.from_values("y", FP32, (5,), [0.0] * 5)]

        model = predictor(specs(x=("FP32", -1)), specs(y=("FP32", -1)), flat)
        with pytest.raises(
            InferenceFailed, match=r"output 'y': expected 2 rows on the first axis, got \[5\]"
        ):
            model.predict([1.0, 2.0])

    def test_does_not_hide_a_fault_of_the_steps(self):
        class Broken(Words):
            def encode(self, value: Value) -> Encoded | Answered:
                return Encoded({"other": Tensor.from_values("other", INT64, (1,), [1])})

        made = manifest(specs(codes=("INT64", -1, -1)), specs(total=("INT64", -1)))
        model = Predictor(made, FunctionSession(made.signature, total), Broken())
        with pytest.raises(ClientError, match="other"):
            model.predict(["a", "b"])
