"""What callers meet while an endpoint has faults: an answer that is right, a job, or a clean 503 or 504."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from time import sleep

import pytest
from support.triton import MODELS, Chain, twin

from modelet.local.endpoint.faults import FAULTS, Fault, Faults
from modelet.local.endpoint.states import Endpoint
from modelet_runtime.endpoint import ShieldedSession
from modelet_runtime.endpoint.breaker import Breaker
from modelet_runtime.endpoint.retry import Retry
from modelet_runtime.http.application import Application
from modelet_runtime.http.messages import Request
from modelet_runtime.predictor import Predictor
from modelet_runtime.session import Session
from modelet_runtime.steps import pipeline

ADD = MODELS["add_scale"][0]
SEED = 20261123
# How long a caller waits; nothing here is asserted by the clock, but what hangs never ends.
PATIENCE_S = 60


class Callers:
    """Ask one model, and look at each answer.

    Args:
        session: Who runs the graph.
        timeout_s: Of each request.
    """

    def __init__(self, session: Session, timeout_s: float) -> None:
        self._application = Application(Predictor(ADD, session, pipeline.build(ADD, Path())))
        self._timeout_s = timeout_s
        self.outcomes: Counter[str] = Counter()

    def ask(self, number: int) -> str:
        """One request; gives what came of it, and fails if that is none of what may come."""
        rows = {"a": [number, 1], "b": [1, number]}
        inputs = [{"name": n, "shape": [1, 2], "datatype": "FP32", "data": row} for n, row in rows.items()]
        body = json.dumps({"inputs": inputs, "outputs": [{"name": "sum"}]}).encode()
        answer = self._application(
            Request("POST", "/v2/models/add_scale/infer", body=body, remaining_s=self._timeout_s)
        )
        document = json.loads(answer.body)
        match answer.status:
            case 200:
                assert document["outputs"][0]["data"] == [number + 1, number + 1]
                return "twin" if answer.headers.get("x-served-by") == "cpu" else "answered"
            case 503:
                assert document["code"] == "endpoint_unavailable"
                assert int(answer.headers["retry-after"]) >= 1
                return "unavailable"
            case 504:
                assert document["code"] == "deadline_exceeded"
                return "late"
        raise AssertionError(f"status {answer.status}: {document}")

    def recover(self) -> None:
        """Ask until the breaker has closed again."""
        while self.ask(0) != "answered":
            sleep(0.02)

    def crowd(self, count: int, meanwhile: Callable[[], None] = lambda: None, callers: int = 8) -> None:
        """Many requests at once, and something that happens while they are under way."""
        with ThreadPoolExecutor(callers) as pool:
            asked = [pool.submit(self.ask, number) for number in range(count)]
            meanwhile()
            self.outcomes.update(future.result(PATIENCE_S) for future in asked)


def session(chain: Chain, endpoint: str) -> Session:
    """A session that neither rests nor asks for long."""
    retry, breaker = Retry(2, first_s=0.002, random=Random(1)), Breaker(failures=4, pause_s=0.01)
    return chain.session(ADD, endpoint, retry=retry, breaker=breaker)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_share_of_the_invocations_goes_wrong(chain: Chain, kind: Fault):
    faults = Faults(0.3, (kind,), slow_s=0.15, random=Random(SEED))
    chain.api.add(Endpoint(kind, chain.triton.url, ("add_scale",), faults=faults))
    callers = Callers(session(chain, kind), 0.1)

    # Most kinds open the breaker: one caller sees how a share goes wrong, several that it is open.
    callers.crowd(1000, callers=3 if kind == "slow" else 1)

    assert callers.outcomes.total() == 1000
    assert callers.outcomes["answered"] >= 600


@pytest.fixture
def server(chain: Chain) -> Iterator[Chain]:
    """The chain, whose server is there again afterwards."""
    yield chain
    chain.loop.run(chain.triton.kill())
    chain.loop.run(chain.triton.start())


def test_the_server_is_killed_and_started_again(server: Chain):
    chain = server
    callers = Callers(session(chain, "live"), 5.0)

    callers.crowd(400, lambda: chain.loop.run(chain.triton.kill()))
    callers.crowd(200, lambda: chain.loop.run(chain.triton.start()))
    assert callers.outcomes["unavailable"] > 0

    before = callers.outcomes["answered"]
    callers.recover()
    callers.crowd(400)
    assert callers.outcomes["answered"] - before == 400
    assert callers.outcomes.total() == 1000


def test_the_endpoint_is_stopped_and_comes_back(chain: Chain):
    chain.api.add(Endpoint("stopped", chain.triton.url, ("add_scale",)))
    callers = Callers(session(chain, "stopped"), 5.0)

    callers.crowd(400, lambda: chain.api.set_state("stopped", "stopped"))
    callers.crowd(200)
    assert callers.outcomes["unavailable"] >= 200
    chain.api.set_state("stopped", "in_service")
    before = callers.outcomes["answered"]
    callers.recover()
    callers.crowd(400)

    assert callers.outcomes["answered"] - before == 400
    assert callers.outcomes.total() == 1000


def test_at_zero_a_caller_is_told_when_to_come_again(chain: Chain):
    chain.api.add(Endpoint("zero", chain.triton.url, ("add_scale",), wake_s=0.3, state="at_zero"))
    callers = Callers(session(chain, "zero"), 5.0)

    callers.crowd(1000)

    assert callers.outcomes.total() == 1000
    assert callers.outcomes["unavailable"] >= 1


def test_at_zero_the_twin_answers_all(chain: Chain):
    chain.api.add(Endpoint("shielded", chain.triton.url, ("add_scale",), wake_s=0.3, state="at_zero"))
    callers = Callers(ShieldedSession(session(chain, "shielded"), twin), 5.0)

    callers.crowd(1000)

    assert callers.outcomes["twin"] >= 1
    assert callers.outcomes["twin"] + callers.outcomes["answered"] == 1000
