"""Events as API Gateway, Lambda and SNS send them."""

import json
from dataclasses import replace
from pathlib import Path
from time import time

import pytest
from support.http import echo
from support.jobs import ARN

from modelet_runtime.http import lambda_event
from modelet_runtime.jobs import lambda_event as job_event
from modelet_runtime.jobs.context import Pending

EVENTS = Path(__file__).parent / "events"


class Context:
    aws_request_id = "lambda-id"
    invoked_function_arn = ARN

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def event(name):
    return json.loads((EVENTS / f"{name}.json").read_text())


@pytest.fixture
def clock():
    """The real one, which functions have."""
    return time


@pytest.fixture
def answered(open_desk, monkeypatch):
    """The answers of a model whose environment names table and bucket."""
    monkeypatch.setenv("MODELET_JOBS_TABLE", "jobs")
    monkeypatch.setenv("MODELET_JOBS_BUCKET", "jobs-bucket")

    def answer(document, function=echo):
        desk = open_desk(function=function)
        if "requestContext" in document:
            return lambda_event.answer(desk.client.application, document, Context())
        return job_event.answer(desk.client.application, document, Context())

    return answer


@pytest.mark.parametrize(("name", "applied"), [("post_prefer", "respond-async"), ("put_key", None)])
def test_a_request_that_becomes_a_job(answered, invoked, name, applied):
    result = answered(event(name))
    assert result["statusCode"] == 202
    assert result["headers"].get("preference-applied") == applied
    job = json.loads(result["body"])["job"]
    assert result["headers"]["location"] == f"/jobs/{job['id']}"
    assert answered(json.loads(invoked.calls[0]["Payload"])) == {job["id"]: "succeeded"}


def test_a_request_with_an_upload(answered, aws):
    assert answered(event("post_upload"))["statusCode"] == 404
    body = event("post_prefer")["body"].encode()
    key = "uploads/" + event("post_upload")["queryStringParameters"]["upload"]
    aws("s3").put_object(Bucket="jobs-bucket", Key=key, Body=body, ContentType="application/json")
    result = answered(event("post_upload"))
    assert json.loads(result["body"])["outputs"][0]["data"] == [1, 2]


def test_what_sns_says_of_an_endpoint_has_the_job_go_on(answered, store, job, aws):
    def pending(inputs):
        raise Pending

    body = event("post_prefer")["body"].encode()
    aws("s3").put_object(Bucket="jobs-bucket", Key=job.request_key, Body=body)
    store.create(replace(job, path="/v2/models/demo_model/infer", function=ARN))
    assert answered({"modelet_job": job.job}, pending) == {job.job: "waiting"}
    assert answered(event("sns_completed")) == {job.job: "succeeded"}
    assert answered(event("sns_completed")) == {job.job: "succeeded"}


@pytest.mark.parametrize("message", ["", "[]", "{}", '{"inferenceId": 1}', '{"inferenceId": "x-1"}', "null"])
def test_messages_about_others_are_nobodys(answered, message):
    document = event("sns_completed")
    document["Records"][0]["Sns"]["Message"] = message
    assert answered(document) == {}


@pytest.mark.parametrize("document", [{"Records": []}, {"Records": [{"eventSource": "aws:sqs"}]}])
def test_events_without_messages_do_nothing(answered, document):
    assert answered(document) == {}


@pytest.mark.parametrize("name", ["f" * 32, "../x", "", 7, None])
def test_a_job_that_nobody_knows_is_left_alone(answered, name):
    assert answered({"modelet_job": name}) in ({}, {name: None})


def test_a_function_without_a_table_says_so(open_desk):
    with pytest.raises(ValueError, match="MODELET_JOBS_TABLE"):
        job_event.answer(open_desk().client.application, {"modelet_job": "f" * 32}, Context())
