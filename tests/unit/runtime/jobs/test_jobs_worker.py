"""A job becomes an answer, exactly once, whatever happens meanwhile."""

import json
from itertools import count

import pytest
from support.http import body_of, echo
from support.jobs import ARN, ROW, Desk, Invoked, Killed, Mortal, call

from modelet_runtime.errors import InferenceFailed, InvalidRequest, NotReady
from modelet_runtime.jobs.context import EndpointCall, Pending, current_job
from modelet_runtime.jobs.worker import JobUnfinished

ASYNC = {"prefer": "respond-async"}


def ask(desk, **fields):
    return body_of(desk.ask(headers={**ASYNC, **fields}))["job"]["id"]


def plain(document):
    return json.loads(json.dumps(document, default=lambda fragment: json.loads(fragment.contents)))


class Hook:
    """A webhook that takes what it is told, unless it is told not to."""

    def __init__(self, taken=True):
        self.taken, self.told = taken, []

    def tell(self, document):
        self.told.append(document)
        return self.taken


class TestAnswer:
    def test_it_is_the_synchronous_one(self, open_desk):
        import orjson

        desk = open_desk()
        job = ask(desk)
        assert desk.work(job).state == "succeeded"
        record, document = desk.board.job(job)
        result = json.loads(orjson.dumps(document))["job"]["result"]
        assert result["status"] == 200
        assert result["body"] == body_of(desk.ask())
        assert result["headers"]["x-model-version"] == "3"
        assert record.has_ended

    def test_a_binary_one_is_a_url(self, open_desk, aws):
        desk = open_desk()
        binary = {**ROW, "parameters": {"binary_data_output": True}}
        job = body_of(desk.ask(binary, headers=ASYNC))["job"]["id"]
        desk.work(job)
        result = desk.board.job(job)[1]["job"]["result"]
        key = desk.board.job(job)[0].result.key
        assert f"/{key}?" in result["url"]
        stored = aws("s3").get_object(Bucket="jobs-bucket", Key=key)["Body"].read()
        same = desk.ask(binary)
        assert stored == same.body
        assert result["bytes"] == len(stored)
        assert (
            result["headers"]["inference-header-content-length"]
            == (same.headers["inference-header-content-length"])
        )

    def test_it_may_be_larger_than_lambda_answers(self, open_desk):
        desk = open_desk()
        desk.client.application._fits = lambda response: False
        assert desk.work(ask(desk)).state == "succeeded"

    def test_a_callers_mistake_fails_at_once(self, open_desk):
        desk = open_desk()
        job = body_of(desk.ask({"inputs": []}, headers=ASYNC))["job"]["id"]
        found = desk.work(job)
        assert (found.state, found.result.status, found.attempts) == ("failed", 400, 1)
        assert "x" in found.document()["error"]

    def test_a_model_that_fails_is_asked_three_times(self, open_desk):
        calls = []

        def failing(inputs):
            calls.append(1)
            raise InferenceFailed("out of memory")

        desk = open_desk(function=failing)
        job = ask(desk)
        for _ in range(2):
            with pytest.raises(JobUnfinished):
                desk.work(job)
            assert desk.parts.store.find(job).state == "queued"
        assert desk.work(job).state == "failed"
        assert desk.work(job).document()["error"] == "out of memory"
        assert len(calls) == 3

    def test_a_process_that_dies_each_time_ends_the_job(self, open_desk):
        def dying(inputs):
            raise Killed

        desk = open_desk(function=dying)
        job = ask(desk)
        for _ in range(3):
            with pytest.raises(Killed):
                desk.work(job)
        found = desk.work(job)
        assert (found.state, found.result.status) == ("failed", 500)
        assert found.document()["error"] == "its function ended 3 times without an answer"
        assert "body" not in desk.board.job(job)[1]["job"]["result"]

    def test_an_unavailable_endpoint_makes_no_job_of_a_job(self, open_desk, invoked):
        def waking(inputs):
            raise NotReady("waking")

        desk = open_desk(function=waking)
        job = ask(desk)
        with pytest.raises(JobUnfinished):
            desk.work(job)
        assert len(invoked.calls) == 1


class TestOnce:
    def test_a_duplicate_event_changes_nothing(self, open_desk):
        runs = []

        def counting(inputs):
            runs.append(1)
            return echo(inputs)

        desk = open_desk(function=counting)
        job = ask(desk)
        ended = desk.work(job)
        assert desk.work(job, "another") == ended
        assert len(runs) == 1

    def test_a_job_of_another_worker_is_left_alone(self, open_desk):
        desk = open_desk()
        job = ask(desk)
        held = desk.parts.store.claim(job, "other", 30)
        assert desk.work(job) == held

    def test_unknown_jobs_are_nobodys(self, open_desk):
        assert open_desk().work("f" * 32) is None

    @pytest.mark.parametrize("after", [False, True])
    def test_a_kill_at_any_call_of_aws_loses_nothing_and_doubles_nothing(self, aws, clock, after):
        """Submit and work, killed at each call in turn; then the caller and Lambda do what they do."""
        for at in count():
            numbers, lambdas, hook = count(), Invoked(), Hook()
            clients = [aws("dynamodb"), aws("s3"), lambdas]
            mortal = [Mortal(each, numbers, at, after=after) for each in clients]
            key, survived = f"key-{after}-{at}", False
            desk = Desk(*mortal, clock, hook)
            try:
                job = ask(desk, **{"idempotency-key": key})
                desk.work(job)
                survived = True
            except Killed:
                pass
            # The caller asks again, Lambda delivers again, and somebody polls when a minute has passed.
            healthy = Desk(*clients, clock, hook)
            job = ask(healthy, **{"idempotency-key": key})
            clock.now_s += 61
            healthy.board.job(job)
            for event in ("event", "event", *(f"nudged-{number}" for number in range(len(lambdas.calls)))):
                healthy.work(job, event)
            found = healthy.parts.store.find(job)
            assert (found.state, found.result.status) == ("succeeded", 200), at
            assert healthy.parts.objects.get(found.result.key) == healthy.ask().body, at
            assert found.is_told, at
            assert hook.told, at
            if survived:
                assert at == 9
                assert len(hook.told) == 1
                break

    def test_a_late_worker_does_not_change_the_result(self, open_desk, clock):
        desk = open_desk()
        job = ask(desk)

        def overtaken(inputs):
            clock.now_s += 100
            if not desk.parts.store.find(job).has_ended:
                open_desk().work(job, "second")
            return echo(inputs)

        slow = open_desk(function=overtaken)
        assert slow.work(job, "first").fence == 2
        assert desk.board.job(job)[0].result.key.endswith("/result/2")


class TestEndpoint:
    """A session that asks an asynchronous endpoint, as far as the worker sees it."""

    def session(self, answers, asked):
        def run(inputs):
            context = current_job.get()
            number = context.next_run()
            if number not in context.calls:
                asked.append(f"{context.job}-{number}")
                context.note(number, EndpointCall(f"s3://b/out/{number}", f"s3://b/failed/{number}"))
            if number not in answers:
                raise Pending
            return echo(inputs)

        return run

    def test_a_job_waits_and_goes_on(self, open_desk):
        answers, asked = set(), []
        desk = open_desk(function=self.session(answers, asked))
        job = ask(desk)
        assert desk.work(job).state == "waiting"
        answers.add(1)
        found = desk.worker.hear(job, call("sns"))
        assert (found.state, found.result.status) == ("succeeded", 200)
        assert asked == [f"{job}-1"]

    def test_waiting_is_no_failed_attempt(self, open_desk):
        answers = set()
        desk = open_desk(function=self.session(answers, []))
        job = ask(desk)
        for number in range(6):
            assert desk.work(job, f"event-{number}").state == "waiting"
        answers.add(1)
        assert desk.worker.hear(job, call("sns")).state == "succeeded"

    def test_an_endpoint_faster_than_the_worker_is_heard(self, open_desk):
        answers, asked = set(), []

        def run(inputs):
            try:
                return self.session(answers, asked)(inputs)
            except Pending:
                answers.add(1)
                desk.parts.store.ring(current_job.get().job)
                raise

        desk = open_desk(function=run)
        assert desk.work(ask(desk)).state == "succeeded"

    def test_a_version_that_hears_of_anothers_job_passes_it_on(self, open_desk, invoked):
        desk = open_desk()
        job = ask(desk)
        other = call("sns", ARN.replace("live", "7"))
        assert desk.worker.hear(job, other).state == "queued"
        assert [each["FunctionName"] for each in invoked.calls] == [ARN, ARN]


class TestBoard:
    def test_a_job_that_nobody_takes_care_of_is_given_out_once(self, open_desk, invoked, clock):
        desk = open_desk()
        job = ask(desk)
        desk.parts.store.claim(job, "killed", 30)
        desk.board.job(job)
        assert len(invoked.calls) == 1
        clock.now_s += 31
        assert desk.board.job(job)[0].state == "running"
        desk.board.job(job)
        assert len(invoked.calls) == 2
        assert desk.work(job, "nudged").state == "succeeded"

    @pytest.mark.parametrize("name", ["f" * 32, "", "x", "../" * 4, "F" * 32, "é" * 32])
    def test_an_unknown_one_is_a_404(self, open_desk, name):
        from modelet_runtime.errors import NotFound

        with pytest.raises(NotFound):
            open_desk().board.job(name)

    def test_a_large_answer_is_a_url(self, open_desk):
        desk = open_desk()
        rows = 60_000
        document = {
            "inputs": [{"name": "x", "shape": [rows, 2], "datatype": "FP32", "data": [0.5] * 2 * rows}]
        }
        job = body_of(desk.ask(document, headers=ASYNC))["job"]["id"]
        desk.work(job)
        result = desk.board.job(job)[1]["job"]["result"]
        assert result["bytes"] > 256 * 1024
        assert "body" not in result


class TestWebhook:
    def test_it_hears_of_the_end_and_not_of_the_payload(self, open_desk):
        hook = Hook()
        desk = open_desk(webhook=hook)
        job = ask(desk)
        desk.work(job)
        [told] = hook.told
        assert (told["id"], told["state"]) == (job, "succeeded")
        assert "result" not in told

    def test_a_failure_is_an_end(self, open_desk):
        hook = Hook()

        def refusing(inputs):
            raise InvalidRequest("x", "a", "b")

        desk = open_desk(webhook=hook, function=refusing)
        desk.work(ask(desk))
        assert [told["state"] for told in hook.told] == ["failed"]

    def test_one_that_does_not_answer_fails_no_job(self, open_desk):
        hook = Hook(taken=False)
        desk = open_desk(webhook=hook)
        assert desk.work(ask(desk)).state == "succeeded"

    def test_a_worker_killed_before_it_told_tells_when_it_is_retried(self, open_desk):
        hook = Hook()
        desk = open_desk(webhook=hook)
        job = ask(desk)
        desk.worker._webhook = type("Dying", (), {"tell": lambda *_: (_ for _ in ()).throw(Killed)})()
        with pytest.raises(Killed):
            desk.work(job)
        desk.worker._webhook = hook
        desk.work(job)
        desk.work(job)
        assert len(hook.told) == 1
