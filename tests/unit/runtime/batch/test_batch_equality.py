"""The batch result of any file equals the online answers, row by row."""

from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support import forms

from modelet_runtime.errors import ModeletError
from modelet_runtime.http.failures import code_of
from modelet_runtime.predictor import Predictor

FORMS = sorted(forms.every_form(np.zeros((1, 4), np.float32)))
NUMBERS = count()
FORMATS = ["auto", "jsonl", "csv", "parquet", "npy"]
FLOATS = st.floats(-50, 50, width=32)
ROWS = hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(4)), elements=FLOATS)
FAST = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))


def online(predictor: Predictor, rows: list[object]) -> list[object]:
    return predictor.predict(rows)


def same(actual: list[object], expected: list[object]) -> None:
    np.testing.assert_allclose(np.array(actual, float), np.array(expected, float), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
@FAST
@given(x=ROWS, data=st.data())
def test_every_form_gives_the_online_answers(form, x, data, shared, predictor):
    wanted = data.draw(st.sampled_from(FORMATS))
    submitted = {} if wanted == "auto" else {"Tagging": f"modelet%3Aformat={wanted}"}
    ended = shared.infer(f"demo_model/{next(NUMBERS)}/rows.{form}", forms.every_form(x)[form], **submitted)
    report = ended.report
    assert report["state"] == "succeeded", report
    assert (report["rows"], report["failed_rows"]) == (len(x), 0)
    actual = forms.read_back(ended.results, report["output"]["format"])
    same(actual, online(predictor, [row.tolist() for row in x]))


SCALARS = st.one_of(FLOATS, st.integers(-3, 3), st.booleans(), st.none(), st.sampled_from(["1", "x"]))
LISTS = st.lists(FLOATS, min_size=4, max_size=4)
ODD_LISTS = st.lists(SCALARS, min_size=3, max_size=5)
# A row of a file, and how the same is asked online: records of a file may have further columns.
VALUES = st.one_of(
    LISTS.map(lambda row: (row, row)),
    ODD_LISTS.map(lambda row: (row, row)),
    LISTS.map(lambda row: ({"logits": row}, row)),
    LISTS.map(lambda row: ({"id": "a", "logits": row}, row)),
    ODD_LISTS.map(lambda row: ({"logits": row}, {"logits": row})),
    LISTS.map(lambda row: (dict(zip("abcd", row, strict=True)), row)),
    LISTS.map(lambda row: ([row], [row])),
    st.sampled_from([5, "text", "four", {}, {"b64": "AAAA"}, {"logit": [1, 2, 3, 4]}, [1e300] * 4, None]).map(
        lambda row: (row, row)
    ),
)


def alone(predictor: Predictor, row: object) -> object:
    """What a row is online: its answer, or the code of its error."""
    try:
        [answer] = predictor.predict([row])
    except ModeletError as error:
        return code_of(error)
    return answer


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(VALUES, min_size=1, max_size=8), are_alike=st.booleans())
def test_rows_of_every_kind_are_what_each_is_online(rows, are_alike, shared, predictor):
    if are_alike:  # as files are: shortcuts for rows that are alike are taken
        rows = [(row, asked) for row, asked in rows if type(row) is type(rows[0][0])]
    data = forms.jsonl([row for row, _ in rows])
    ended = shared.infer(f"demo_model/{next(NUMBERS)}/rows.jsonl", data, Tagging="modelet%3Afailure_share=1")
    assert ended.report["state"] == "succeeded", ended.report
    codes = {error["row"]: error["error"]["code"] for error in ended.errors}
    actual = forms.read_back(ended.results, "jsonl")
    assert len(actual) == len(rows)
    for number, (_, asked) in enumerate(rows):
        expected = alone(predictor, asked)
        if isinstance(expected, str):
            assert (actual[number], codes.pop(number)) == (None, expected)
        else:
            np.testing.assert_allclose(
                np.array(actual[number], float), np.array(expected, float), rtol=1e-5, atol=1e-7
            )
    assert codes == {}
