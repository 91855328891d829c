"""A graph behind an endpoint's queue: what is asked for, once, and what comes of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
import pytest

from modelet_runtime.endpoint import AsyncEndpointSession, AsyncShieldedSession
from modelet_runtime.endpoint.client import Reply
from modelet_runtime.endpoint.faults import EndpointUnavailable, JobNeeded
from modelet_runtime.endpoint.presence import Presence
from modelet_runtime.endpoint.queue import Places
from modelet_runtime.endpoint.wire import LENGTH, MEDIA_TYPE
from modelet_runtime.errors import InferenceRejected
from modelet_runtime.jobs.context import EndpointCall, JobContext, Pending, current_job
from modelet_runtime.manifest import Signature, TensorSpec
from modelet_runtime.session import served_by
from modelet_runtime.tensor import DATATYPES, Tensor

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1, 2)),))
X = Tensor.from_values("x", DATATYPES["FP32"], (1, 2), [1.0, 2.0])
Y = X.renamed("y")


@dataclass
class Kept:
    """A queue in memory; a test says what comes of its requests."""

    submitted: list[tuple[str, bytes, str]] = field(default_factory=list)
    objects: dict[str, Reply] = field(default_factory=dict)
    refuses: bool = False
    is_readable: bool = True

    def submit(self, inference: str, body: bytes, media_type: str, timeout_s: int) -> Places:
        if self.refuses:
            raise EndpointUnavailable("busy")
        self.submitted.append((inference, body, media_type))
        return Places(f"s3://b/out/{inference}", f"s3://b/failed/{inference}")

    def read(self, uri: str) -> Reply | None:
        if not self.is_readable:
            raise EndpointUnavailable("not now")
        return self.objects.get(uri)

    def answer(self, inference: str, y: Tensor = Y, media_type: str | None = None) -> None:
        header = orjson.dumps(
            {
                "outputs": [
                    {
                        "name": "y",
                        "datatype": "FP32",
                        "shape": y.shape,
                        "parameters": {"binary_data_size": len(bytes(y.data))},
                    }
                ]
            }
        )
        kind = media_type or f"{MEDIA_TYPE};{LENGTH}={len(header)}"
        self.objects[f"s3://b/out/{inference}"] = Reply(header + bytes(y.data), kind)

    def fail(self, inference: str, body: bytes) -> None:
        self.objects[f"s3://b/failed/{inference}"] = Reply(body, "text/plain")


@dataclass
class Job:
    """A job that is worked on as often as a test says."""

    calls: dict[int, EndpointCall] = field(default_factory=dict)
    notes: list[int] = field(default_factory=list)

    def work(self) -> None:
        current_job.set(JobContext("j", dict(self.calls), self._note))

    def _note(self, run: int, call: EndpointCall) -> None:
        self.notes.append(run)
        self.calls[run] = call


@pytest.fixture
def job() -> Iterator[Job]:
    """None is worked on before and after."""
    current_job.set(None)
    yield Job()
    current_job.set(None)


@pytest.fixture
def queue() -> Kept:
    return Kept()


@pytest.fixture
def session(queue: Kept) -> AsyncEndpointSession:
    return AsyncEndpointSession(SIGNATURE, queue, 900)


def pend(session: AsyncEndpointSession, job: Job) -> None:
    """Work on the job; it has to wait."""
    job.work()
    with pytest.raises(Pending):
        session.run([X])


def test_a_run_is_asked_for_once_and_answered_when_its_answer_is_there(
    session: AsyncEndpointSession, queue: Kept, job: Job
):
    pend(session, job)
    pend(session, job)
    assert [inference for inference, _, _ in queue.submitted] == ["j-1"]
    assert job.calls == {1: EndpointCall("s3://b/out/j-1", "s3://b/failed/j-1")}

    queue.answer("j-1")
    job.work()
    assert session.run([X]) == [Y]
    assert len(queue.submitted) == 1


def test_each_run_of_a_request_has_an_answer_of_its_own(session: AsyncEndpointSession, queue: Kept, job: Job):
    other = Tensor.from_values("y", DATATYPES["FP32"], (1, 2), [3.0, 4.0])
    pend(session, job)
    queue.answer("j-1")
    job.work()
    assert session.run([X]) == [Y]
    with pytest.raises(Pending):
        session.run([X])
    second = queue.submitted[1][0]
    queue.answer(second, other)

    job.work()
    assert (session.run([X]), session.run([X])) == ([Y], [other])
    assert len(queue.submitted) == 2


@pytest.mark.parametrize("media_type", ["binary/octet-stream", MEDIA_TYPE])
def test_an_answer_is_read_whose_stored_type_has_lost_the_length(
    session: AsyncEndpointSession, queue: Kept, job: Job, media_type: str
):
    pend(session, job)
    queue.answer("j-1", media_type=media_type)

    job.work()
    assert session.run([X]) == [Y]


def test_what_the_graph_refuses_is_not_asked_for_again(session: AsyncEndpointSession, queue: Kept, job: Job):
    pend(session, job)
    queue.fail("j-1", b'{"error": "index out of range"}')

    job.work()
    with pytest.raises(InferenceRejected, match="index out of range"):
        session.run([X])
    assert len(queue.submitted) == 1


def test_a_failure_of_the_endpoint_is_tried_three_times(session: AsyncEndpointSession, queue: Kept, job: Job):
    for number in (1, 2, 3):
        pend(session, job)
        queue.fail(f"j-{number}", b"out of memory")

    job.work()
    with pytest.raises(EndpointUnavailable) as caught:
        session.run([X])
    assert caught.value.status == 503
    assert [inference for inference, _, _ in queue.submitted] == ["j-1", "j-2", "j-3"]


def test_nonsense_is_a_failure_and_the_next_answer_counts(
    session: AsyncEndpointSession, queue: Kept, job: Job
):
    pend(session, job)
    queue.objects["s3://b/out/j-1"] = Reply(b"[" * 5000, MEDIA_TYPE)
    pend(session, job)
    queue.answer("j-2")

    job.work()
    assert session.run([X]) == [Y]


def test_an_answer_that_cannot_be_read_now_is_not_asked_for_again(
    session: AsyncEndpointSession, queue: Kept, job: Job
):
    pend(session, job)
    queue.is_readable = False

    job.work()
    with pytest.raises(EndpointUnavailable, match="not now"):
        session.run([X])
    assert len(queue.submitted) == 1


def test_who_waits_for_an_answer_is_told_that_only_a_job_can(session: AsyncEndpointSession, job: Job):
    with pytest.raises(JobNeeded, match="as a job") as caught:
        session.run([X])

    assert (caught.value.status, caught.value.headers) == (501, {})


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Twin:
    """Answers with a constant."""

    signature = SIGNATURE

    def run(self, inputs, output_names=None, timeout_s=None):
        return [Y]


def instances(count: int) -> dict:
    return {"ProductionVariants": [{"CurrentInstanceCount": count}]}


@pytest.fixture(autouse=True)
def _nobody_before():
    served_by.set(None)


def test_at_zero_the_twin_answers_who_waits_and_one_request_wakes_the_endpoint(
    session: AsyncEndpointSession, queue: Kept, job: Job
):
    clock, count = Clock(), [0]
    presence = Presence(lambda: instances(count[0]), fresh_s=10, now_s=clock)
    shielded = AsyncShieldedSession(session, presence, Twin, clock)

    for _ in range(5):
        assert shielded.run([X]) == [Y]
        assert served_by.get() == "cpu"
    assert len(queue.submitted) == 1
    assert queue.submitted[0][0].startswith("wake-")

    clock.now_s = 61.0
    shielded.run([X])
    assert len(queue.submitted) == 2

    count[0], clock.now_s = 1, 75.0
    with pytest.raises(JobNeeded):
        shielded.run([X])


def test_a_job_goes_to_the_queue_though_there_is_a_twin(session: AsyncEndpointSession, queue: Kept, job: Job):
    shielded = AsyncShieldedSession(session, Presence(lambda: instances(0)), Twin)

    job.work()
    with pytest.raises(Pending):
        shielded.run([X])
    assert served_by.get() is None
    assert [inference for inference, _, _ in queue.submitted] == ["j-1"]


def test_an_endpoint_that_cannot_be_woken_does_not_take_the_twin_s_answer_away(
    session: AsyncEndpointSession, queue: Kept, job: Job
):
    queue.refuses = True

    assert AsyncShieldedSession(session, Presence(lambda: instances(0)), Twin).run([X]) == [Y]


def test_presence_is_asked_for_once_in_a_while():
    clock, asked = Clock(), []

    def describe() -> dict:
        asked.append(clock.now_s)
        return instances(1)

    presence = Presence(describe, fresh_s=10, now_s=clock)
    for clock.now_s in (0.0, 3.0, 9.0, 10.0, 12.0, 25.0):
        assert not presence.is_away()
    assert asked == [0.0, 10.0, 25.0]


def test_an_endpoint_that_is_being_made_is_away():
    assert Presence(lambda: {"EndpointStatus": "Creating"}).is_away()
