import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas._libs.parsers import STR_NA_VALUES
from support.artifacts import write_version
from support.http import Client, body_of, predictor
from support.manifests import manifest, specs

from modelet_runtime.errors import ArtifactError, ClientError, InvalidRequest
from modelet_runtime.manifest import Step
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.protocols.friendly import parse
from modelet_runtime.steps.base import Cell, Encoded, Pipeline
from modelet_runtime.steps.pipeline import build
from modelet_runtime.steps.table import Table
from modelet_runtime.tensor import DATATYPES, Tensor

PERSON = specs(age=("FP32", -1, 1), children=("INT64", -1, 1), job=("BYTES", -1, 1), married=("BOOL", -1, 1))
MATRIX = specs(features=("FP32", -1, 3))
OUTPUTS = specs(risk=("FP32", -1))
ANN = {"age": 39.5, "children": 2, "job": "clerk", "married": True}


def pipeline(inputs: Any = PERSON, **parameters: Any) -> Pipeline:
    return build(manifest(inputs, OUTPUTS, input_steps=(Step("table", parameters),)), Path())


def values(made: Pipeline, value: Any) -> dict[str, list[Any]]:
    encoded = made.encode(value)
    assert isinstance(encoded, Encoded)
    return {name: list(tensor.values()) for name, tensor in encoded.tensors.items()}


def one(column: str, value: Any, **parameters: Any) -> Any:
    return values(pipeline(**parameters), {**ANN, column: value})[column][0]


ENCODED = {"age": [39.5], "children": [2], "job": [b"clerk"], "married": [True]}


class TestAnInputPerColumn:
    @pytest.mark.parametrize(
        "value",
        [
            ANN,
            dict(reversed(ANN.items())),
            {name: Cell(str(value)) for name, value in ANN.items()},
            list(ANN.values()),
            [Cell("39.5"), Cell("2"), Cell("clerk"), Cell("1")],
        ],
    )
    def test_takes_records_and_rows(self, value):
        assert values(pipeline(), value) == ENCODED

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            ([ANN, ANN], "application/json"),
            ({name: [value, value] for name, value in ANN.items()}, "application/json"),
            ([list(ANN.values())] * 2, "application/json"),
            ({"instances": [ANN, ANN]}, "application/json"),
            ("age,children,job,married\n39.5,2,clerk,true\n39.5,2.0,clerk,True\n", "text/csv"),
            ("39.5,2,clerk,1\n39.5,2,clerk,1\n", "text/csv"),
        ],
    )
    def test_takes_many(self, body, content_type):
        made = pipeline()
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        parsed, many = parse(data, content_type, made.media_types)
        rows = parsed if many else made.rows(parsed[0])
        assert rows is not None
        assert [values(made, row) for row in rows] == [ENCODED, ENCODED]

    @pytest.mark.parametrize("document", [ANN, {}, [], [1, 2], {"age": [1], "job": "x"}, "text", None])
    def test_one_record_is_one_row(self, document):
        assert pipeline().rows(document) is None


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({"x": 1}, 200, 1.0),
        ([{"x": 1}, {"x": 2}], 200, {"predictions": [1.0, 2.0]}),
        ({"x": [1, 2]}, 200, {"predictions": [1.0, 2.0]}),
        ([{"x": 1}, {"x": "two"}], 400, "row 1: column 'x': expected a number, got 'two'"),
        ([{"x": 1}, {"y": 2}], 400, "row 1: record: expected the columns x, got 'y'"),
    ],
)
def test_bodies_of_one_row_and_of_many_are_answered_as_such(body, status, answer):
    steps = (Step("table"),)
    client = Client(predictor(specs(x=("FP32", -1)), specs(y=("FP32", -1)), input_steps=steps))
    headers = {"content-type": "application/json"}
    response = client.post("/models/demo_model/predict", body, headers=headers)
    assert response.status == status
    assert body_of(response) == answer or body_of(response)["error"] == answer


class TestAMatrix:
    def test_has_the_order_of_the_columns(self):
        made = pipeline(MATRIX, columns=["b", "a", "c"])
        assert values(made, {"a": 1, "b": 2, "c": 3}) == {"features": [2, 1, 3]}
        assert values(made, [1, 2, 3]) == {"features": [1, 2, 3]}
        assert made.media_types == ("application/json", "text/csv", "application/x-npy")

    def test_takes_a_row_of_an_array(self):
        row = Tensor.from_values("row", DATATYPES["FP64"], (3,), [1, 2, math.nan])
        made = values(pipeline(MATRIX, columns=["a", "b", "c"]), row)["features"]
        assert made[:2] == [1, 2]
        assert math.isnan(made[2])

    def test_there_may_be_several(self):
        inputs = specs(numbers=("FP32", -1, 2), words=("BYTES", -1, -1))
        made = pipeline(inputs, columns={"words": ["job", "city"], "numbers": ["age", "pay"]})
        record = {"city": "Rome", "age": 1, "pay": 2, "job": "cook"}
        assert values(made, record) == {"numbers": [1, 2], "words": [b"cook", b"Rome"]}

    def test_categories_become_their_places(self):
        made = pipeline(MATRIX, columns=["a", "b", "c"], categories={"b": ["low", "high"]})
        assert values(made, {"a": 1, "b": "high", "c": 3}) == {"features": [1, 1, 3]}


class TestMissing:
    @pytest.mark.parametrize("value", [None, math.nan, Cell(""), Cell("NA"), Cell("nan"), ""])
    def test_is_nan_where_the_graph_takes_floats(self, value):
        assert math.isnan(one("age", value))

    @pytest.mark.parametrize("column", ["children", "job", "married"])
    @pytest.mark.parametrize("value", [None, math.nan, Cell(""), Cell("NULL")])
    def test_is_refused_elsewhere(self, column, value):
        with pytest.raises(InvalidRequest, match=f"column '{column}': expected a value, got none"):
            one(column, value)

    @pytest.mark.parametrize(
        ("column", "fill", "expected"),
        [("age", 40, 40.0), ("children", 0, 0), ("job", "none", b"none"), ("married", False, False)],
    )
    @pytest.mark.parametrize("value", [None, math.nan, Cell("")])
    def test_is_filled(self, column, fill, expected, value):
        assert one(column, value, fill={column: fill}) == expected

    def test_is_what_the_parameter_says(self):
        assert one("job", Cell("?"), fill={"job": "none"}, missing=["?"]) == b"none"
        assert one("job", Cell("NA"), missing=["?"]) == b"NA"

    def test_in_json_a_text_is_what_it_says(self):
        assert one("job", "NA") == b"NA"
        assert one("job", "") == b""

    def test_are_pandas_by_default(self):
        assert set(Table().missing) == STR_NA_VALUES


class TestColumns:
    def test_an_absent_one_is_refused_or_missing(self):
        record = {name: value for name, value in ANN.items() if name != "age"}
        with pytest.raises(InvalidRequest, match=r"column 'age': expected a value, got only children, job"):
            values(pipeline(), record)
        assert math.isnan(values(pipeline(absent="missing"), record)["age"][0])
        assert values(pipeline(absent="missing", fill={"age": 1}), record)["age"] == [1]

    def test_an_unknown_one_is_refused_or_passed_over(self):
        with pytest.raises(InvalidRequest, match=r"the columns age, children, job, married, got 'id'"):
            values(pipeline(), {**ANN, "id": 7})
        assert values(pipeline(unknown="ignore"), {**ANN, "id": 7}) == ENCODED

    def test_an_unseen_category_is_refused_or_missing(self):
        texts = {"job": ["clerk", "cook"]}
        assert one("job", "cook", categories=texts) == b"cook"
        with pytest.raises(InvalidRequest, match="column 'job': expected one of clerk, cook, got 'king'"):
            one("job", "king", categories=texts)
        assert one("job", "king", categories=texts, unseen="missing", fill={"job": "clerk"}) == b"clerk"
        numbers = {"age": ["young", "old"]}
        assert one("age", Cell("old"), categories=numbers) == 1.0
        assert math.isnan(one("age", "ancient", categories=numbers, unseen="missing"))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("age", "39", "a number, got '39'"),
        ("age", Cell("old"), "a number, got 'old'"),
        ("age", [39], r"a number, got \[39\]"),
        ("age", {"a": 1}, "a number"),
        ("age", 10**400, "a number"),
        ("age", 1e300, "a value of FP32, got 1e\\+300"),
        ("children", 1.5, "an integer, got 1.5"),
        ("children", Cell("1.5"), "an integer, got '1.5'"),
        ("children", Cell("inf"), "an integer"),
        ("children", 2**63, "a value of INT64"),
        ("married", 2, "true or false, got 2"),
        ("married", Cell("yes"), "true or false, got 'yes'"),
        ("job", 3, "a text, got 3"),
        ("job", b"clerk", "a text"),
        ("job", "\ud800", "a value of BYTES"),
        ("job", ["x" * 99], r"a text, got \['xxx"),
    ],
)
def test_what_is_of_another_type_is_refused(column, value, expected):
    with pytest.raises(InvalidRequest, match=rf"^column '{column}': expected {expected}"):
        one(column, value)


def test_a_matrix_names_the_column_too():
    with pytest.raises(InvalidRequest, match="column 'b': expected a value of FP32, got 1e"):
        values(pipeline(MATRIX, columns=["a", "b", "c"]), [1, 1e300, 3])


@pytest.mark.parametrize("value", [3, None, "text", b"bytes", [1, 2], [1, 2, 3, 4, 5], {}])
def test_what_is_no_row_is_refused(value):
    with pytest.raises(InvalidRequest):
        values(pipeline(), value)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(
        InvalidRequest, match="column 'job': expected 2 values, as in the first column, got 1"
    ):
        pipeline().rows({"age": [1, 2], "job": ["x"]})


@pytest.mark.parametrize(
    ("inputs", "parameters", "words"),
    [
        (MATRIX, {}, "input 'features' takes [3], got 1 columns"),
        (MATRIX, {"columns": ["a", "b"]}, "takes [3], got 2 columns"),
        (MATRIX, {"columns": ["a", "b", "a"]}, "'a' is there twice"),
        (PERSON, {"columns": ["age", "job"]}, "expected inputs age, children, job, married, got age, job"),
        (PERSON, {"fill": {"pay": 1}}, "fill: there is no column 'pay'"),
        (PERSON, {"fill": {"age": "old"}}, "fill: column 'age': expected a number, got 'old'"),
        (PERSON, {"fill": {"children": 1e300}}, "fill: column 'children': expected a value of INT64"),
        (PERSON, {"fill": {"age": [1]}}, "fill: expected a table of strings or numbers or booleans"),
        (PERSON, {"categories": {"pay": ["a"]}}, "categories: there is no column 'pay'"),
        (PERSON, {"absent": "ignore"}, 'absent: expected "refuse" or "missing"'),
    ],
)
def test_a_model_it_does_not_fit_is_refused(inputs, parameters, words):
    with pytest.raises(ArtifactError, match=r"^input\.steps: step 'table': ") as caught:
        pipeline(inputs, **parameters)
    assert words in str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("is_matrix", [False, True])
def test_answers_as_the_estimator_does_over_a_data_frame(tmp_path, is_matrix):
    """The CSV that pandas reads, with gaps and unseen categories, through skl2onnx's graph."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    dice = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": dice.integers(18, 90, 60).astype(float),
            "pay": dice.normal(2000, 500, 60).round(2),
            "job": dice.choice(["clerk", "cook", "smith"], 60),
        }
    )
    frame.loc[::7, "age"] = np.nan
    risk = (frame["pay"] < 2000) ^ (frame["job"] == "cook")
    columns = ["age", "pay"] if is_matrix else ["age", "pay", "job"]
    if is_matrix:
        prepare: Any = SimpleImputer(strategy="median")
        types = [("x", FloatTensorType([None, 2]))]
    else:
        numbers = (SimpleImputer(strategy="median"), ["age", "pay"])
        prepare = make_column_transformer(numbers, (OneHotEncoder(handle_unknown="ignore"), ["job"]))
        kinds = [FloatTensorType, FloatTensorType, StringTensorType]
        types = [(name, kind([None, 1])) for name, kind in zip(columns, kinds, strict=True)]
    estimator = make_pipeline(prepare, LogisticRegression(max_iter=1000)).fit(frame[columns], risk)
    proto = to_onnx(estimator, initial_types=types, options={"zipmap": False})
    frame.loc[3, "job"] = "king"
    step = Step("table", {"columns": columns})
    made = write_version(tmp_path, proto, input_steps=(step,))
    out = io.StringIO()
    frame[columns].to_csv(out, index=False)
    with OrtSession(tmp_path / "model.ort") as session:
        model = Predictor(made, session, build(made, tmp_path))
        rows, _ = parse(out.getvalue().encode(), "text/csv", model.pipeline.media_types)
        answers = model.predict(rows)
    given = [answer["probabilities"][1] for answer in answers]
    expected = estimator.predict_proba(pd.read_csv(io.StringIO(out.getvalue())))[:, 1]
    np.testing.assert_allclose(given, expected, atol=1e-5)


SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.text().map(Cell)
VALUE = SCALAR | st.lists(SCALAR, max_size=4) | st.dictionaries(st.text(max_size=2), SCALAR, max_size=2)
RECORD = st.fixed_dictionaries({}, optional=dict.fromkeys([*ANN, "x"], VALUE))


@given(VALUE | RECORD | st.lists(RECORD, max_size=2) | st.lists(VALUE, min_size=4, max_size=4))
def test_any_value_gives_inputs_or_the_clients_error(value):
    made = pipeline()
    try:
        for row in made.rows(value) or [value]:
            assert list(values(made, row)) == list(ANN)
    except ClientError:
        return
