"""A function's session, boto3, SageMaker's runtime API and a real Triton server, in one chain."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

import pytest
from support.triton import MODELS, Chain

from modelet.local.endpoint.states import Endpoint
from modelet_runtime.endpoint.breaker import Breaker
from modelet_runtime.endpoint.faults import EndpointUnavailable
from modelet_runtime.endpoint.retry import Retry
from modelet_runtime.errors import InferenceRejected
from modelet_runtime.tensor import DATATYPES, Tensor

ADD, LOOKUP, FIXED = (MODELS[name][0] for name in ("add_scale", "name_lookup", "fixed_shape"))


def floats(name: str, shape: tuple[int, ...], *values: float) -> Tensor:
    return Tensor.from_values(name, DATATYPES["FP32"], shape, values)


def test_several_inputs_and_outputs_of_several_rows(chain: Chain):
    a, b = floats("a", (2, 2), 1, 2, 3, 4), floats("b", (2, 2), 10, 20, 30, float("inf"))

    total, double = chain.session(ADD).run([a, b])
    assert (total.shape, list(total.values())) == ((2, 2), [11, 22, 33, float("inf")])
    assert (double.shape, list(double.values())) == ((2, 2), [2, 4, 6, 8])
    [alone] = chain.session(ADD).run([b, a], ["double"])
    assert (alone.name, list(alone.values())) == ("double", [2, 4, 6, 8])


def test_a_column_of_numbers_in_and_strings_out(chain: Chain):
    index = Tensor.from_values("index", DATATYPES["INT64"], (4,), [1, 0, 2, 1])

    [label] = chain.session(LOOKUP).run([index])

    assert (label.shape, label.data) == ((4,), ("ja, ü".encode(), b"no", b"", "ja, ü".encode()))


def test_a_graph_without_a_batch_axis(chain: Chain):
    x = floats("x", (2, 3), 1, 2, 3, 4, 5, 6)

    [y] = chain.session(FIXED).run([x])

    assert (y.shape, bytes(y.data)) == ((2, 3), bytes(x.data))


def test_what_the_graph_cannot_take_is_the_caller_s_mistake(chain: Chain):
    with pytest.raises(InferenceRejected):
        chain.session(LOOKUP).run([Tensor.from_values("index", DATATYPES["INT64"], (1,), [99])])
    with pytest.raises(InferenceRejected, match="unexpected shape"):
        chain.session(ADD).run([floats("a", (1, 3), 1, 2, 3), floats("b", (1, 3), 1, 2, 3)])


def test_an_endpoint_that_is_not_there_is_not_ready(chain: Chain):
    with pytest.raises(EndpointUnavailable, match="ValidationError"):
        chain.session(FIXED, "nobody", retry=Retry(1)).run([floats("x", (2, 3), *[0] * 6)])


def test_at_zero_a_call_fails_and_wakes_the_endpoint(chain: Chain):
    chain.api.add(Endpoint("sleepy", chain.triton.url, ("add_scale",), wake_s=0.3, state="at_zero"))
    session = chain.session(ADD, "sleepy", retry=Retry(1), breaker=Breaker(failures=1000))
    a = floats("a", (1, 2), 1, 2)

    with pytest.raises(EndpointUnavailable, match="ModelNotReady") as caught:
        session.run([a, a.renamed("b")])
    assert int(caught.value.headers["retry-after"]) > 0
    patient = chain.session(ADD, "sleepy", retry=Retry(50, first_s=0.05), breaker=Breaker(failures=1000))
    assert list(patient.run([a, a.renamed("b")])[0].values()) == [2, 4]


def test_rows_of_many_callers_run_together(chain: Chain):
    a, b = floats("a", (1, 2), 1, 2), floats("b", (1, 2), 3, 4)
    session = chain.session(ADD)
    before = statistics(chain)

    with ThreadPoolExecutor(32) as callers:
        answers = list(callers.map(lambda _: session.run([a, b]), range(320)))

    after = statistics(chain)
    assert all(list(total.values()) == [4, 6] for total, _ in answers)
    assert after["inference_count"] - before["inference_count"] == 320
    assert after["execution_count"] - before["execution_count"] < 320


def statistics(chain: Chain) -> dict[str, int]:
    with urlopen(f"{chain.triton.url}/v2/models/add_scale/stats") as answer:
        return json.load(answer)["model_stats"][0]
