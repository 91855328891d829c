"""A session behind an endpoint: what it sends, what it makes of answers, and how it bears failures."""

from collections.abc import Callable
from random import Random
from time import sleep

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelet_runtime.endpoint import EndpointSession, ShieldedSession
from modelet_runtime.endpoint.breaker import Breaker
from modelet_runtime.endpoint.client import Reply
from modelet_runtime.endpoint.faults import EndpointUnavailable, of_response
from modelet_runtime.endpoint.retry import Retry
from modelet_runtime.endpoint.wire import LENGTH, MEDIA_TYPE, Wire
from modelet_runtime.errors import DeadlineExceeded, InferenceRejected, ModeletError
from modelet_runtime.manifest import Signature, TensorSpec
from modelet_runtime.protocols import open_inference
from modelet_runtime.protocols.media_type import MediaType
from modelet_runtime.session import served_by
from modelet_runtime.tensor import DATATYPES, Tensor

SIGNATURE = Signature(
    (TensorSpec("age", "INT64", (-1,)), TensorSpec("pixels", "FP32", (-1, 2))),
    (TensorSpec("label", "BYTES", (-1,)), TensorSpec("scores", "FP32", (-1, 3))),
)
AGE = Tensor.from_values("age", DATATYPES["INT64"], (2,), [30, 2**62])
PIXELS = Tensor.from_values("pixels", DATATYPES["FP32"], (2, 2), [1.0, 2.0, 3.0, float("nan")])
LABEL = Tensor.from_values("label", DATATYPES["BYTES"], (2,), ["a", "über"])
MODEL_ERROR = {"Error": {"Code": "ModelError"}}
SCORES = Tensor.from_values("scores", DATATYPES["FP32"], (2, 3), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])


class Scripted:
    """A client that gives prepared outcomes in turn, the last one for ever."""

    def __init__(self, *outcomes: Reply | Exception | Callable[[], Reply]) -> None:
        self.outcomes = list(outcomes)
        self.timeouts_s: list[float] = []

    def invoke(self, body: bytes, media_type: str, timeout_s: float) -> Reply:
        self.timeouts_s.append(timeout_s)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome if isinstance(outcome, Reply) else outcome()


def answer(*tensors: Tensor) -> Reply:
    """An answer as Triton writes it: a column with one number per row has a second axis."""
    chunks, outputs = [], []
    for tensor in tensors:
        data = (
            b"".join(len(item).to_bytes(4, "little") + item for item in tensor.data)
            if isinstance(tensor.data, tuple)
            else bytes(tensor.data)
        )
        shape = (*tensor.shape, 1) if len(tensor.shape) == 1 else tensor.shape
        outputs.append(
            {
                "name": tensor.name,
                "datatype": tensor.datatype.name,
                "shape": shape,
                "parameters": {"binary_data_size": len(data)},
            }
        )
        chunks.append(data)
    header = orjson.dumps({"model_name": "m", "model_version": "1", "outputs": outputs})
    return Reply(header + b"".join(chunks), f"{MEDIA_TYPE};{LENGTH}={len(header)}")


def session(client: Scripted, breaker: Breaker | None = None, attempts: int = 3) -> EndpointSession:
    retry = Retry(attempts, random=Random(1), sleep=lambda pause_s: None)
    return EndpointSession(SIGNATURE, client, retry, breaker)


def test_a_request_is_one_that_the_protocol_s_own_parser_reads():
    body, media_type = Wire(SIGNATURE).request([AGE, PIXELS], ["scores"])
    media = MediaType.parse(media_type)
    parsed = open_inference.parse(body, int(media.parameters[LENGTH]), SIGNATURE)

    assert media.name == MEDIA_TYPE
    assert [(tensor.name, tensor.shape) for tensor in parsed.inputs] == [("age", (2, 1)), ("pixels", (2, 2))]
    assert [bytes(tensor.data) for tensor in parsed.inputs] == [bytes(AGE.data), bytes(PIXELS.data)]
    assert [(output.name, output.binary) for output in parsed.outputs] == [("scores", True)]


def test_outputs_come_back_in_the_order_asked_for_and_in_the_signature_s_shapes():
    client = Scripted(answer(SCORES, LABEL))

    assert session(client).run([AGE, PIXELS], ["label", "scores"]) == [LABEL, SCORES]
    assert session(client).run([AGE, PIXELS]) == [LABEL, SCORES]


def test_an_answer_in_plain_json_is_read_as_well():
    document = {"outputs": [{"name": "label", "datatype": "BYTES", "shape": [2, 1], "data": ["a", "über"]}]}

    assert session(Scripted(Reply(orjson.dumps(document), "application/json"))).run(
        [AGE, PIXELS], ["label"]
    ) == [LABEL]


@given(
    st.binary(max_size=200), st.sampled_from([MEDIA_TYPE, f"{MEDIA_TYPE};{LENGTH}=20", "x", f";{LENGTH}=z"])
)
def test_nonsense_is_an_endpoint_that_is_not_ready(body: bytes, media_type: str):
    with pytest.raises(EndpointUnavailable) as caught:
        session(Scripted(Reply(body, media_type))).run([AGE, PIXELS])

    assert caught.value.status == 503
    assert int(caught.value.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "wrong",
    [
        answer(SCORES),
        answer(LABEL, Tensor.from_values("scores", DATATYPES["FP64"], (2, 3), [0.0] * 6)),
        answer(LABEL, Tensor.from_values("scores", DATATYPES["FP32"], (3, 2), [0.0] * 6)),
    ],
    ids=["an output is missing", "another datatype", "another shape"],
)
def test_an_answer_to_another_question_is_refused(wrong: Reply):
    with pytest.raises(EndpointUnavailable):
        session(Scripted(wrong)).run([AGE, PIXELS])


def test_a_failure_is_tried_again_and_forgotten():
    client = Scripted(EndpointUnavailable("busy"), EndpointUnavailable("busy"), answer(LABEL, SCORES))

    assert session(client).run([AGE, PIXELS]) == [LABEL, SCORES]
    assert len(client.timeouts_s) == 3


def test_no_attempt_is_begun_that_the_deadline_forbids():
    def slow() -> Reply:
        sleep(0.02)
        raise EndpointUnavailable("busy")

    client = Scripted(slow)
    with pytest.raises((EndpointUnavailable, DeadlineExceeded)):
        session(client, attempts=100).run([AGE, PIXELS], timeout_s=0.1)

    assert 1 <= len(client.timeouts_s) <= 5
    assert all(timeout_s <= 0.1 for timeout_s in client.timeouts_s)


def test_what_the_graph_refuses_is_not_tried_again():
    client = Scripted(InferenceRejected("index out of range"))

    with pytest.raises(InferenceRejected, match="index out of range"):
        session(client).run([AGE, PIXELS])
    assert len(client.timeouts_s) == 1


def test_an_endpoint_that_fails_time_after_time_is_left_alone_and_then_tried_by_one():
    now_s = [0.0]
    breaker = Breaker(failures=3, pause_s=10, now_s=lambda: now_s[0])
    client = Scripted(EndpointUnavailable("gone"))
    for _ in range(3):
        with pytest.raises(EndpointUnavailable, match="gone"):
            session(client, breaker, attempts=1).run([AGE, PIXELS])
    with pytest.raises(EndpointUnavailable, match="rests") as caught:
        session(client, breaker, attempts=1).run([AGE, PIXELS])
    assert caught.value.headers["retry-after"] == "11"
    assert len(client.timeouts_s) == 3

    now_s[0] = 10.5
    with pytest.raises(EndpointUnavailable, match="gone"):
        session(client, breaker, attempts=1).run([AGE, PIXELS])
    with pytest.raises(EndpointUnavailable, match="rests"):
        session(client, breaker, attempts=1).run([AGE, PIXELS])

    now_s[0] = 21.0
    client.outcomes = [answer(LABEL, SCORES)]
    for _ in range(5):
        assert session(client, breaker, attempts=1).run([AGE, PIXELS]) == [LABEL, SCORES]


def test_callers_with_little_patience_do_not_open_the_breaker():
    breaker = Breaker(failures=2)
    client = Scripted(DeadlineExceeded("late"))
    for _ in range(4):
        with pytest.raises(DeadlineExceeded):
            session(client, breaker).run([AGE, PIXELS], timeout_s=0.5)
    breaker.check()


@pytest.mark.parametrize(
    ("response", "status", "text"),
    [
        (
            {
                "Error": {"Code": "ModelError"},
                "OriginalStatusCode": 400,
                "OriginalMessage": '{"error":"bad"}',
            },
            400,
            "bad",
        ),
        (
            MODEL_ERROR | {"OriginalStatusCode": 400, "OriginalMessage": "<html>"},
            400,
            "the graph cannot take these values",
        ),
        (MODEL_ERROR | {"OriginalStatusCode": 500}, 503, "status 500"),
        ({"Error": {"Code": "ModelNotReadyException"}}, 503, "ModelNotReadyException"),
        ({"Error": {"Code": "ThrottlingException"}}, 503, "ThrottlingException"),
        ({"Error": {"Code": "ValidationError"}}, 503, "ValidationError"),
        ({}, 503, "no code"),
    ],
)
def test_what_the_api_answers_becomes_an_error_of_ours(response: dict, status: int, text: str):
    error = of_response(response)

    assert isinstance(error, ModeletError)
    assert error.status == status
    assert text in str(error)


def test_the_twin_answers_while_the_endpoint_cannot_and_is_named():
    loaded = []

    def load() -> EndpointSession:
        loaded.append(1)
        return session(Scripted(answer(LABEL, SCORES)))

    endpoint = Scripted(EndpointUnavailable("waking"))
    shielded = ShieldedSession(session(endpoint), load)
    for _ in range(3):
        served_by.set(None)
        assert shielded.run([AGE, PIXELS]) == [LABEL, SCORES]
        assert served_by.get() == "cpu"
    assert loaded == [1]

    served_by.set(None)
    assert ShieldedSession(session(Scripted(answer(LABEL, SCORES))), load).run([AGE, PIXELS], ["label"])
    assert served_by.get() is None


def test_the_twin_does_not_answer_what_the_graph_refuses():
    shielded = ShieldedSession(session(Scripted(InferenceRejected("no"))), lambda: pytest.fail("loaded"))

    with pytest.raises(InferenceRejected):
        shielded.run([AGE, PIXELS])
