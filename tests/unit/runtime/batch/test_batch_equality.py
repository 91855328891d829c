"""The batch result of any file equals the online answers, row by row."""

from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support import forms

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
