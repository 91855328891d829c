"""The text_topic model on sentences that it has not seen, in both languages."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from support.http import Client

from modelet.repository import Repository, served_version
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps.pipeline import build

FOLDER = Path(__file__).parents[2] / "model_artifacts" / "text_topic"
LEAST_ACCURACY = {"english": 0.68, "chinese": 0.62}
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def train():
    spec = importlib.util.spec_from_file_location("text_topic_train", FOLDER / "train.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model():
    version = served_version(Repository(FOLDER.parent).model(FOLDER.name))
    assert version is not None, "`modelet build text_topic` comes first"
    pipeline = build(version.manifest, version.folder)
    session = OrtSession(version.folder / version.manifest.graph.file)
    return Predictor(version.manifest, session, pipeline)


@pytest.mark.parametrize("language", ["english", "chinese"])
def test_knows_the_topic_of_sentences_it_has_not_seen(train, model, language):
    held_out = [each for each in train.split()[1] if each.language == language]
    answers = model.predict([each.text for each in held_out])
    right = [answer["label"] == each.topic for answer, each in zip(answers, held_out, strict=True)]
    assert np.mean(right) >= LEAST_ACCURACY[language]


def test_the_vocabulary_is_that_of_the_training_texts(train):
    assert json.loads((FOLDER / "vocabulary.json").read_text("utf-8")) == train.vocabulary()


def test_training_and_the_served_step_take_texts_apart_alike(train, model):
    texts = [each.text for each in train.split()[1]]
    encoded = [list(model.pipeline.encode(text).tensors["token_ids"].values()) for text in texts]
    assert encoded == train.token_ids(texts).tolist()


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Who wrote the Lord of the Rings?", "literature"),
        ("谁写了指环王?", "literature"),
        ("what is your favorite stock", "money"),
        ("你最喜欢的股票是什么", "money"),
        ("do you play football", "sports"),
        ("你打篮球吗", "sports"),
        ("什么是化学", "science"),
    ],
)
def test_answers_a_question_by_http(model, text, topic):
    client = Client(model)
    headers = {"content-type": "text/plain; charset=utf-8"}
    response = client.post("/models/text_topic/predict", text.encode(), headers=headers)
    assert response.status == 200
    answer = json.loads(response.body)
    assert answer["label"] == topic
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_takes_records_and_words_it_does_not_know(model):
    client = Client(model)
    headers = {"content-type": "application/json"}
    response = client.post(
        "/models/text_topic/predict",
        {"instances": [{"text": "Zyzzyva"}, {"text": ""}, {"text": "我很生气"}]},
        headers=headers,
    )
    assert response.status == 200, response.body
    assert json.loads(response.body)["predictions"][2]["label"] == "emotion"
