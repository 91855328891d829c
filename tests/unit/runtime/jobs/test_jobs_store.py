"""The table decides who works on a job: on moto, by two workers and a clock."""

from dataclasses import replace

import pytest

from modelet_runtime.jobs.context import EndpointCall
from modelet_runtime.jobs.record import Result
from modelet_runtime.jobs.store import LeaseLost

OK = Result(200, {"content-type": "application/json"}, 2, "jobs/x/result/1")


def test_a_job_comes_back_as_it_was_written(store, job):
    assert store.create(job) == job
    assert store.find(job.job) == job
    assert store.find("f" * 32) is None


def test_one_id_is_one_job(store, job):
    store.create(job)
    assert store.create(replace(job, fingerprint="other")).fingerprint == "f"


def test_what_has_expired_is_not_there(store, job, clock):
    store.create(job)
    clock.now_s += 3601
    assert store.find(job.job) is None
    fresh = replace(job, expires_at=int(clock()) + 3600)
    assert store.create(fresh) == fresh


def test_one_of_two_workers_has_it(store, job):
    store.create(job)
    held = store.claim(job.job, "one", 30)
    assert (held.state, held.fence, held.attempts) == ("running", 1, 1)
    assert store.claim(job.job, "two", 30) is None


def test_a_lease_ends(store, job, clock):
    store.create(job)
    first = store.claim(job.job, "one", 30)
    clock.now_s += 31
    second = store.claim(job.job, "two", 30)
    assert (second.fence, second.attempts) == (2, 2)
    assert store.finish(first, OK, is_told=True) is None
    with pytest.raises(LeaseLost):
        store.note(first, 1, EndpointCall("s3://b/o", "s3://b/f"))
    assert not store.wait(first)
    store.release(first, "late")
    assert store.find(job.job) == second


def test_lambdas_retry_need_not_wait_for_the_lease_of_its_own_attempt(store, job):
    store.create(job)
    store.claim(job.job, "event", 900)
    assert store.claim(job.job, "event", 900).attempts == 2


def test_a_job_ends_once(store, job):
    store.create(job)
    held = store.claim(job.job, "one", 30)
    ended = store.finish(held, OK, is_told=False)
    assert (ended.state, ended.result, ended.is_told) == ("succeeded", OK, False)
    assert store.finish(held, replace(OK, status=500), is_told=True) is None
    assert store.claim(job.job, "one", 30) is None
    store.ring(job.job)
    assert not store.reopen(ended)
    store.tell(job.job)
    assert store.find(job.job) == replace(ended, is_told=True)


def test_an_error_is_a_failure(store, job):
    store.create(job)
    ended = store.finish(store.claim(job.job, "one", 30), Result(400, {}, error="no"), is_told=True)
    assert ended.state == "failed"


def test_what_was_asked_of_an_endpoint_is_remembered(store, job):
    store.create(job)
    held = store.claim(job.job, "one", 30)
    calls = {1: EndpointCall("s3://b/1", "s3://b/f1"), 2: EndpointCall("s3://b/2", "s3://b/f2")}
    for run, call in calls.items():
        store.note(held, run, call)
    assert store.wait(held)
    again = store.claim(job.job, "two", 30)
    assert (again.calls, again.attempts, again.fence) == (calls, 1, 2)


def test_a_ring_before_the_wait_is_heard(store, job):
    store.create(job)
    held = store.claim(job.job, "one", 30)
    store.ring(job.job)
    assert not store.wait(held)
    again = store.claim(job.job, "one", 30)
    assert store.wait(again)


@pytest.mark.parametrize(
    ("state", "after"), [("queued", "queued"), ("running", "queued"), ("waiting", "waiting")]
)
def test_an_overdue_job_is_reopened_once(store, job, clock, state, after):
    store.create(job)
    if state != "queued":
        held = store.claim(job.job, "one", 30)
        if state == "waiting":
            store.wait(held)
    found = store.find(job.job)
    assert not store.reopen(found)
    clock.now_s += 61
    assert store.reopen(found)
    assert not store.reopen(found)
    assert store.find(job.job).state == after
    assert store.claim(job.job, "two", 30) is not None


def test_an_attempt_that_failed_leaves_the_job_for_the_next(store, job):
    store.create(job)
    store.release(store.claim(job.job, "one", 30), "the endpoint is not ready")
    found = store.find(job.job)
    assert (found.state, found.error) == ("queued", "the endpoint is not ready")
    assert store.claim(job.job, "one", 30).attempts == 2
