"""A request becomes a job: what a caller may ask, and what the table has afterwards."""

import json

import pytest
from support.http import body_of
from support.jobs import ARN, INFER, ROW

from modelet_runtime.errors import NotReady
from modelet_runtime.http.messages import Request
from modelet_runtime.jobs.objects import MAX_UPLOAD_BYTES

UPLOAD = "00112233445566778899aabbccddeeff"
ASYNC = {"prefer": "respond-async"}


@pytest.fixture
def desk(open_desk):
    return open_desk()


def put_upload(aws, body, **fields):
    aws("s3").put_object(Bucket="jobs-bucket", Key=f"uploads/{UPLOAD}", Body=body, **fields)


class TestPreference:
    def test_it_makes_a_job(self, desk, invoked):
        response = desk.ask(headers=ASYNC)
        assert response.status == 202
        job = body_of(response)["job"]
        assert (job["state"], job["model"], job["version"], job["attempts"]) == (
            "queued",
            "demo_model",
            "3",
            0,
        )
        assert response.headers["location"] == f"/jobs/{job['id']}"
        assert response.headers["preference-applied"] == "respond-async"
        assert response.headers["retry-after"] == "1"
        payload = json.dumps({"modelet_job": job["id"]})
        assert invoked.calls == [{"FunctionName": ARN, "InvocationType": "Event", "Payload": payload}]

    @pytest.mark.parametrize(
        "prefer", ["respond-async, wait=10", "wait=5,  Respond-Async", "respond-async;a=b"]
    )
    def test_it_may_stand_among_others(self, desk, prefer):
        assert desk.ask(headers={"prefer": prefer}).status == 202

    @pytest.mark.parametrize("prefer", ["", "wait=10", "return=minimal", "respond-asynchronously", ","])
    def test_others_are_ignored(self, desk, invoked, prefer):
        response = desk.ask(headers={"prefer": prefer})
        assert response.status == 200
        assert "preference-applied" not in response.headers
        assert invoked.calls == []

    def test_only_inferences_become_jobs(self, desk, invoked):
        assert desk.client.get("/v2/models/demo_model", headers=ASYNC, function=ARN).status == 200
        assert invoked.calls == []

    def test_it_is_ignored_where_there_is_no_table(self, desk):
        desk.client.application._asynchronous.__init__()
        assert desk.ask(headers=ASYNC).status == 200

    @pytest.mark.parametrize(
        ("path", "status"), [("/v2/models/other/infer", 404), ("/v2/models/demo_model/versions/4/infer", 404)]
    )
    def test_what_cannot_be_answered_is_refused_at_once(self, desk, invoked, path, status):
        response = desk.client.post(path, ROW, headers=ASYNC, function=ARN)
        assert response.status == status
        assert invoked.calls == []


class TestKey:
    def test_the_same_request_is_the_same_job(self, desk, invoked):
        first = desk.ask(headers={**ASYNC, "idempotency-key": "k"})
        second = desk.request(
            Request("PUT", INFER, {"idempotency-key": "k"}, json.dumps(ROW).encode(), function=ARN)
        )
        assert body_of(first) == body_of(second)
        assert len(invoked.calls) == 1

    def test_another_request_is_a_conflict(self, desk, invoked):
        headers = {**ASYNC, "idempotency-key": "k"}
        job = body_of(desk.ask(headers=headers))["job"]["id"]
        response = desk.ask({**ROW, "id": "other"}, headers=headers)
        assert (response.status, body_of(response)["code"]) == (409, "conflict")
        assert job in body_of(response)["error"]
        assert len(invoked.calls) == 1

    def test_put_needs_one(self, desk):
        response = desk.request(Request("PUT", INFER, {}, b"{}", function=ARN))
        assert (response.status, body_of(response)["details"]["field"]) == (400, "idempotency-key")

    @pytest.mark.parametrize("key", ["", "k" * 256, "é", "a\nb"])
    def test_one_that_is_none_is_refused(self, desk, key):
        assert desk.ask(headers={"idempotency-key": key}).status == 400

    def test_put_is_no_route_where_there_is_no_table(self, open_desk):
        from support.http import Client

        client = Client(open_desk().client.model)
        assert client.send("PUT", INFER, ROW, function=ARN).status == 405

    def test_a_job_that_ended_is_not_run_again(self, desk, invoked):
        headers = {**ASYNC, "idempotency-key": "k"}
        desk.work(body_of(desk.ask(headers=headers))["job"]["id"])
        again = desk.ask(headers=headers)
        assert (again.status, body_of(again)["job"]["state"]) == (202, "succeeded")
        assert len(invoked.calls) == 1

    def test_a_job_that_nobody_takes_care_of_is_given_out_again(self, desk, invoked, clock):
        headers = {**ASYNC, "idempotency-key": "k"}
        desk.ask(headers=headers)
        clock.now_s += 61
        desk.ask(headers=headers)
        desk.ask(headers=headers)
        assert len(invoked.calls) == 2


class TestUpload:
    def test_its_body_is_answered_at_once(self, desk, aws):
        put_upload(aws, json.dumps(ROW).encode(), ContentType="application/json")
        response = desk.client.post(INFER, query={"upload": UPLOAD}, function=ARN)
        assert body_of(response)["outputs"][0]["data"] == [1, 2]

    def test_its_media_type_counts(self, desk, aws):
        put_upload(aws, b"1,2", ContentType="image/png")
        path = "/models/demo_model/predict"
        response = desk.client.post(path, query={"upload": UPLOAD}, function=ARN)
        assert response.status == 415
        assert "image/png" in body_of(response)["error"]

    def test_a_job_keeps_it_as_it_was(self, desk, aws):
        put_upload(aws, json.dumps(ROW).encode(), ContentType="application/json")
        response = desk.client.post(INFER, query={"upload": UPLOAD}, headers=ASYNC, function=ARN)
        put_upload(aws, b"something else")
        job = body_of(response)["job"]["id"]
        assert desk.work(job).state == "succeeded"
        assert desk.board.job(job)[0].result.status == 200

    def test_another_upload_under_the_same_key_is_a_conflict(self, desk, aws):
        headers, query = {"idempotency-key": "k", **ASYNC}, {"upload": UPLOAD}
        put_upload(aws, b"one")
        assert desk.client.post(INFER, query=query, headers=headers, function=ARN).status == 202
        put_upload(aws, b"two")
        assert desk.client.post(INFER, query=query, headers=headers, function=ARN).status == 409

    @pytest.mark.parametrize("headers", [{}, ASYNC])
    @pytest.mark.parametrize(
        ("upload", "status"), [(UPLOAD, 404), ("../../x", 400), ("", 400), ("A" * 32, 400)]
    )
    def test_one_that_is_not_there(self, desk, headers, upload, status):
        response = desk.client.post(INFER, query={"upload": upload}, headers=headers, function=ARN)
        assert response.status == status

    def test_a_body_beside_it_is_refused(self, desk):
        assert desk.ask(query={"upload": UPLOAD}).status == 400

    def test_there_are_none_without_a_bucket(self, open_desk):
        from support.http import Client

        client = Client(open_desk().client.model)
        assert client.post(INFER, query={"upload": UPLOAD}, function=ARN).status == 501

    def test_the_form_says_how_large_it_may_be(self, desk):
        import base64

        found = desk.board.new_upload()
        assert found["fields"]["key"] == f"uploads/{found['upload']}"
        policy = json.loads(base64.b64decode(found["fields"]["policy"]))
        assert ["content-length-range", 1, MAX_UPLOAD_BYTES] in policy["conditions"]
        assert found["expires_at"] == "2023-11-14T23:13:20Z"


class TestWithoutAnAnswer:
    def test_an_endpoint_that_wakes_makes_a_job(self, open_desk, invoked):
        def waking(inputs):
            raise NotReady("the endpoint is not ready", 30)

        response = open_desk(function=waking).ask()
        assert response.status == 202
        assert "preference-applied" not in response.headers
        assert len(invoked.calls) == 1

    def test_aws_that_is_not_there_is_no_fault_of_ours(self, desk, aws):
        aws("dynamodb").delete_table(TableName="jobs")
        response = desk.ask(headers=ASYNC)
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        assert "ResourceNotFoundException" in body_of(response)["error"]
