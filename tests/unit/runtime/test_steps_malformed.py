"""Whatever is sent to a model with steps is answered, or is the client's mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.http import Client
from support.manifests import FunctionSession, manifest, specs

from modelet_runtime.manifest import Step
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import DATATYPES, Tensor

GOLDEN = Path(__file__).parents[2] / "golden" / "steps"
KINDS: dict[str, tuple[dict[str, Any], Step]] = {
    "text": (
        {"input_ids": ("INT64", -1, -1), "attention_mask": ("INT64", -1, -1)},
        Step("text", {"tokenizer": "wordpiece.json"}),
    ),
    "pair": (
        {"input_ids": ("INT64", -1, 12)},
        Step("text", {"tokenizer": "bpe.json", "fields": ["text", "b"], "truncation": "only_first"}),
    ),
    "words": ({"x": ("INT32", -1, 4)}, Step("words", {"vocabulary": "words_tokenizer.json"})),
    "table": ({"text": ("BYTES", -1, 1), "b": ("FP32", -1, 1)}, Step("table")),
    "audio": ({"wave": ("FP32", -1, 8)}, Step("audio", {"field": "text"})),
    "image": ({"pixels": ("UINT8", -1, 4, 4, 3)}, Step("image", {"field": "text"})),
}


def client(inputs: dict[str, Any], step: Step) -> Client:
    made = manifest(specs(**inputs), specs(y=("FP32", -1)), input_steps=(step,))

    def zeros(given: Any) -> list[Tensor]:
        rows = next(iter(given.values())).shape[0]
        return [Tensor.from_values("y", DATATYPES["FP32"], (rows,), [0.0] * rows)]

    return Client(Predictor(made, FunctionSession(made.signature, zeros), build(made, GOLDEN)))


CLIENTS = {name: client(*kind) for name, kind in KINDS.items()}
JSON = "application/json"
MEDIA_TYPES = st.sampled_from(
    ["", JSON, JSON, JSON, "text/csv", "text/csv; header=absent", "text/plain", "text/plain; charset=big5"]
) | st.sampled_from(["application/octet-stream", "application/x-npy", "image/png", "audio/wav", "x"])
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just({"b64": "UklGRg=="})
FIELDS = st.sampled_from(["text", "b", "b64", "instances", "dataframe_split", "columns", "data", ""])
VALUES = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=8,
)
BODIES = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"RIFF\0\0\0\0WAVE", b"\x89PNG\r\n\x1a\n", b'["\\ud800"]', b"text,b\n\x00,1\n"])
)


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=300)
@given(body=BODIES, media_type=MEDIA_TYPES)
def test_any_body_is_answered_or_is_the_clients_mistake(name, body, media_type):
    headers = {"content-type": media_type}
    response = CLIENTS[name].post("/models/demo_model/predict", body, headers=headers)
    assert 200 <= response.status < 500, response.body
    json.loads(response.body)
