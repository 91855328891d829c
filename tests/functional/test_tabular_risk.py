"""The tabular_risk model on passengers that it has not seen, as records and as CSV."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from modelet.repository import Repository, served_version
from modelet_runtime.errors import ClientError
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.protocols import friendly
from modelet_runtime.steps.pipeline import build

FOLDER = Path(__file__).parents[2] / "model_artifacts" / "tabular_risk"
LADY = {"pclass": 1, "sex": "female", "age": 29, "sibsp": 0, "parch": 0, "fare": 211.3375, "embarked": "S"}
LEAST_ACCURACY = 0.78


@pytest.fixture(scope="module")
def train() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tabular_risk_train", FOLDER / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model() -> Predictor:
    version = served_version(Repository(FOLDER.parent).model(FOLDER.name))
    assert version is not None, "`modelet build tabular_risk` comes first"
    pipeline = build(version.manifest, version.folder)
    return Predictor(version.manifest, OrtSession(version.folder / version.manifest.graph.file), pipeline)


def ask(model, body, media_type):
    values, _ = friendly.parse(body, media_type, model.pipeline.media_types)
    return model.predict(values)


def test_knows_passengers_it_has_not_seen_from_csv(train, model):
    _, held_out, _, outcomes = train.split()
    answers = ask(model, held_out.to_csv(index=False).encode(), "text/csv")
    right = np.mean([answer["label"] for answer in answers] == outcomes)
    assert right >= LEAST_ACCURACY
    assert right == train.build().score(held_out, outcomes)


def test_columns_may_come_in_any_order(train, model):
    _, held_out, _, _ = train.split()
    bodies = [held_out[names].to_csv(index=False).encode() for names in (sorted(held_out), list(held_out))]
    one, other = (ask(model, body, "text/csv") for body in bodies)
    assert one == other


def test_answers_a_record_with_probabilities(model):
    [answer] = ask(model, json.dumps(LADY).encode(), "application/json")
    assert answer["label"] == "survived"
    assert list(answer["scores"]) == ["died", "survived"]
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-6)


def test_missing_entries_are_answered_alike_in_csv_and_records(model):
    of_csv = ask(model, (FOLDER / "samples" / "passengers.csv").read_bytes(), "text/csv")
    known = {"pclass": 3, "sex": "male", "age": None, "sibsp": 0, "parch": 0, "fare": 7.25, "embarked": "S"}
    [of_record] = ask(model, json.dumps(known).encode(), "application/json")
    assert of_csv[1] == of_record
    assert [answer["label"] for answer in of_csv] == ["survived", "died", "survived", "survived"]


def test_a_missing_port_is_null_or_an_empty_cell(model):
    [of_record] = ask(model, json.dumps(LADY | {"embarked": None}).encode(), "application/json")
    cells = ",".join("" if name == "embarked" else str(value) for name, value in LADY.items())
    [of_csv] = ask(model, f"{','.join(LADY)}\n{cells}\n".encode(), "text/csv")
    assert of_record == of_csv


def test_takes_the_passenger_list_as_it_is(train, model):
    body = train.passengers().head(20).to_csv(index=False).encode()
    assert len(ask(model, body, "text/csv")) == 20


def test_an_unknown_port_is_no_failure(model):
    [answer] = ask(model, json.dumps(LADY | {"embarked": "Bremerhaven"}).encode(), "application/json")
    assert answer["label"] == "survived"


@pytest.mark.parametrize("change", [{"sex": 1}, {"age": "young"}, {"age": [1, 2]}])
def test_refuses_what_is_not_of_its_column(model, change):
    with pytest.raises(ClientError, match=next(iter(change))):
        ask(model, json.dumps(LADY | change).encode(), "application/json")


def test_refuses_a_record_without_a_column(model):
    record = {name: value for name, value in LADY.items() if name != "fare"}
    with pytest.raises(ClientError, match="fare"):
        ask(model, json.dumps(record).encode(), "application/json")
