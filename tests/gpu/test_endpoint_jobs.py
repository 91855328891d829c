"""Jobs at an asynchronous endpoint with faults: each ends, with its own right answer or a clean error."""

import json
import queue
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import sleep
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from support.memory_jobs import MemoryS3, MemoryStore
from support.triton import MODELS, Chain, listening, twin

from modelet.local.endpoint.faults import FAULTS, Faults
from modelet.local.endpoint.sagemaker import SageMakerRuntime
from modelet.local.endpoint.states import Endpoint
from modelet.local.endpoint.storage import S3Objects
from modelet.local.endpoint.topic import sns_event
from modelet_runtime.endpoint import AsyncEndpointSession, AsyncShieldedSession, api
from modelet_runtime.endpoint.presence import Presence
from modelet_runtime.endpoint.queue import SageMakerQueue
from modelet_runtime.http.application import Application
from modelet_runtime.http.asynchronous import Asynchronous
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.jobs import lambda_event
from modelet_runtime.jobs.functions import EVENT, Functions
from modelet_runtime.jobs.objects import Objects
from modelet_runtime.jobs.record import Job
from modelet_runtime.jobs.store import Store
from modelet_runtime.jobs.submission import Parts, Submission
from modelet_runtime.jobs.worker import Call, JobUnfinished, Worker
from modelet_runtime.predictor import Predictor
from modelet_runtime.session import Session
from modelet_runtime.steps import pipeline

ADD = MODELS["add_scale"][0]
BUCKET, TABLE = "jobs-bucket", "jobs"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:add_scale:live"
SEED = 20261201
# What hangs never ends; nothing is asserted by the clock.
PATIENCE_S = 120
ENVIRONMENTS = 4


@dataclass
class Context:
    """What Lambda tells a function of an event."""

    aws_request_id: str
    invoked_function_arn: str = ARN

    def get_remaining_time_in_millis(self) -> int:
        """Enough."""
        return 30_000


class Function:
    """The function of a model: its application, and the events that Lambda has for it.

    Args:
        session: Who runs the graph.
        store: The table of jobs.
        s3: A client of their bucket.

    Attributes:
        store: As given.
        events: What is to be delivered, and how often it was.
        open: The jobs that have not ended.
        all_ended: Set when there are none.
    """

    def __init__(self, session: Session, store: Any, s3: Any) -> None:
        self.store = store
        self.parts = Parts(store, Objects(s3, BUCKET), Functions(self))
        self.events: queue.Queue[tuple[str, dict[str, Any], int] | None] = queue.Queue()
        self.open: set[str] = set()
        self.all_ended = threading.Event()
        self.answer_by(session)

    def answer_by(self, session: Session) -> None:
        """Have another session."""
        submission = Submission(self.parts, ADD.name, ADD.version)
        predictor = Predictor(ADD, session, pipeline.build(ADD, Path()))
        self.model = Application(predictor, asynchronous=Asynchronous(lambda: submission))

    def invoke(self, **fields: Any) -> None:
        """Lambda's Invoke."""
        self.events.put((uuid4().hex, json.loads(fields["Payload"]), 1))

    def handle(self, event: dict[str, Any], context: Context) -> dict[str, Any]:
        """Work on what an event names; gives the states of its jobs."""
        return lambda_event.answer(self.model, event, context)

    def deliver(self) -> None:
        """Be an environment of the function's; what fails comes again, twice."""
        while (event := self.events.get()) is not None:
            number, body, times = event
            try:
                states = self.handle(body, Context(number))
            except JobUnfinished:
                assert times < 3, "a third attempt ends its job"
                self.events.put((number, body, times + 1))
                continue
            self.open -= {job for job, state in states.items() if state in ("succeeded", "failed")}
            if not self.open:
                self.all_ended.set()

    def ask(self, a: list[list[float]], b: list[list[float]]) -> Response:
        """A request as a caller sends it."""
        inputs = [
            {"name": name, "shape": [len(rows), len(rows[0])], "datatype": "FP32", "data": rows}
            for name, rows in (("a", a), ("b", b))
        ]
        outputs = [{"name": "sum", "parameters": {"binary_data": True}}]
        body = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
        return self.model(Request("POST", "/v2/models/add_scale/infer", body=body, function=ARN))

    def submit(self, a: list[list[float]], b: list[list[float]]) -> str:
        """A request that becomes a job; gives its id."""
        answer = self.ask(a, b)
        assert answer.status == 202, answer.body
        job = str(json.loads(answer.body)["job"]["id"])
        assert answer.headers["location"] == f"/jobs/{job}"
        return job


class MemoryFunction(Function):
    """One whose jobs are in memory."""

    def handle(self, event: dict[str, Any], context: Context) -> dict[str, Any]:
        """Work on what an event names; gives the states of its jobs."""
        worker = Worker(self.model, self.parts)
        call = Call(context.aws_request_id, ARN, "live", lambda: 30.0)
        if EVENT in event:
            job = event[EVENT]
            found = worker.work(job, call)
        else:
            [record] = event["Records"]
            job = json.loads(record["Sns"]["Message"])["inferenceId"].rpartition("-")[0]
            found = worker.hear(job, call)
        return {job: found.state if found else None}


@dataclass
class Service:
    """An asynchronous endpoint and the function in front of it.

    Attributes:
        function: The function.
        api: SageMaker.
        endpoint: The endpoint.
        url: Of SageMaker.
    """

    function: Function
    api: SageMakerRuntime
    endpoint: Endpoint
    url: str

    def wait(self, *jobs: str) -> list[Job]:
        """The jobs, when all have ended."""
        self.function.open |= set(jobs)
        environments = [threading.Thread(target=self.function.deliver) for _ in range(ENVIRONMENTS)]
        for environment in environments:
            environment.start()
        ended = self.function.all_ended.wait(PATIENCE_S)
        for _ in environments:
            self.function.events.put(None)
        for environment in environments:
            environment.join()
        assert ended, f"{len(self.function.open)} jobs have not ended"
        found = [self.function.store.find(job) for job in jobs]
        assert None not in found
        return found

    def result(self, job: Job) -> bytes:
        """What a job's caller would read."""
        assert job.result is not None
        return self.function.parts.objects.get(job.result.key)


@contextmanager
def serving(chain: Chain, kind: type[Function], store: Any, s3: Any) -> Iterator[Service]:
    """A service; what SageMaker says is said twice at times, as SNS may."""
    twice = Random(SEED)
    functions: list[Function] = []

    async def notify(endpoint: str, message: dict[str, Any]) -> None:
        event = json.loads(sns_event(endpoint, message))
        for _ in range(2 if twice.random() < 0.2 else 1):
            functions[0].events.put((uuid4().hex, event, 1))

    out, failed = (f"s3://{BUCKET}/endpoint/{name}" for name in ("out", "failed"))
    endpoint = Endpoint("queued", chain.triton.url, ("add_scale",), output=out, failures=failed)

    async def bucket() -> Any:
        return s3

    runtime = SageMakerRuntime({"queued": endpoint}, S3Objects(bucket), notify)
    with listening(chain.loop, runtime) as url:
        functions.append(kind(AsyncEndpointSession(ADD.signature, queue_of(url, s3), 60), store, s3))
        yield Service(functions[0], runtime, endpoint, url)
        chain.loop.run(runtime.drain())


@pytest.fixture
def service(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """One whose table and bucket are moto's."""
    monkeypatch.setenv("MODELET_JOBS_TABLE", TABLE)
    monkeypatch.setenv("MODELET_JOBS_BUCKET", BUCKET)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        boto3.client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "job", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "job", "KeyType": "HASH"}],
        )
        store = Store(boto3.client("dynamodb"), TABLE)
        with serving(chain, Function, store, boto3.client("s3")) as running:
            yield running


def queue_of(url: str, s3: Any, **options: Any) -> SageMakerQueue:
    """The endpoint's queue."""
    runtime = api.client("sagemaker-runtime", 2, 20, 2, url)
    return SageMakerQueue("queued", BUCKET, runtime, s3, **options)


def test_a_request_becomes_a_job_and_its_answer_is_that_of_the_graph(service: Service):
    [job] = service.wait(service.function.submit([[1, 2]], [[10, 20]]))

    assert (job.state, job.result.status) == ("succeeded", 200)
    assert service.result(job).endswith(struct.pack("<2f", 11, 22))
    assert job.calls.keys() == {1}


def test_a_large_request_goes_by_way_of_s3(service: Service):
    service.function.answer_by(
        AsyncEndpointSession(ADD.signature, queue_of(service.url, boto3.client("s3"), inline_bytes=9), 60)
    )

    [job] = service.wait(service.function.submit([[1, 2]], [[10, 20]]))

    assert service.result(job).endswith(struct.pack("<2f", 11, 22))
    kept = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="endpoint/in/")
    assert [item["Key"] for item in kept["Contents"]] == [f"endpoint/in/{job.job}-1"]


def test_what_the_model_does_not_take_is_refused_before_it_becomes_a_job(service: Service):
    answer = service.function.ask([[1, 2, 3]], [[1, 2, 3]])

    assert (answer.status, json.loads(answer.body)["code"]) == (400, "shape_mismatch")


def test_what_the_graph_refuses_fails_in_its_words(service: Service):
    rows = [[1.0, 2.0]] * 65

    [job] = service.wait(service.function.submit(rows, rows))

    assert (job.state, job.result.status) == ("failed", 400)
    assert "batch-size must be <= 64" in job.result.error
    assert job.calls.keys() == {1}


def test_at_zero_the_twin_answers_who_waits_and_in_service_a_job_does(service: Service):
    service.endpoint.wake_s = 0.1
    service.api.set_state("queued", "at_zero")
    control = api.client("sagemaker", 1, 2, url=service.url)
    presence = Presence(lambda: control.describe_endpoint(EndpointName="queued"), fresh_s=0)
    queued = AsyncEndpointSession(ADD.signature, queue_of(service.url, boto3.client("s3")), 60)
    service.function.answer_by(AsyncShieldedSession(queued, presence, twin))

    answer = service.function.ask([[1, 2]], [[10, 20]])
    assert (answer.status, answer.headers["x-served-by"]) == (200, "cpu")
    assert bytes(answer.body).endswith(struct.pack("<2f", 11, 22))
    while presence.is_away():
        sleep(0.02)
    [job] = service.wait(service.function.submit([[1, 2]], [[10, 20]]))
    assert job.state == "succeeded"


def test_a_thousand_jobs_while_everything_goes_wrong(chain: Chain):
    """At zero to begin with; a third of the calls go wrong; the server is killed and started again."""
    with serving(chain, MemoryFunction, MemoryStore(), MemoryS3()) as service:
        service.endpoint.faults = Faults(0.3, FAULTS, slow_s=0.05, random=Random(SEED))
        service.endpoint.wake_s = 0.5
        service.api.set_state("queued", "at_zero")
        jobs = [service.function.submit([[n, 1]], [[1, n]]) for n in range(1000)]

        def crash() -> None:
            chain.loop.run(chain.triton.kill())
            chain.loop.run(chain.triton.start())

        crashing = threading.Timer(1.5, crash)
        crashing.start()
        ended = service.wait(*jobs)
        crashing.join()

        for number, job in enumerate(ended):
            assert job.result is not None
            if job.state == "succeeded":
                assert service.result(job).endswith(struct.pack("<2f", number + 1, number + 1))
            else:
                assert job.result.status == 503, job.result
        assert sum(job.state == "succeeded" for job in ended) >= 950
