"""The function as Lambda calls it: real events into the real handler, moto's AWS around it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from support import batching, forms
from support.artifacts import write_version
from support.graphs import softmax

from modelet_runtime.aws import client_factory
from modelet_runtime.batch.services import Queue

CONTEXT = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 900_000)
HANDLER = Path(__file__).parents[4] / "functions/batch/handler.py"


@pytest.fixture
def handler(aws, tmp_path, monkeypatch):
    write_version(tmp_path, softmax())
    queue = boto3.client("sqs").create_queue(QueueName="batch")["QueueUrl"]
    for name, value in {
        "MODELET_MODEL_DIR": str(tmp_path),
        "MODELET_BATCH_TABLE": batching.TABLE,
        "MODELET_BATCH_INPUT": batching.INPUT,
        "MODELET_BATCH_OUTPUT": batching.OUTPUT,
        "MODELET_BATCH_QUEUE_URL": queue,
    }.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("batch_handler", HANDLER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


def record(number, body):
    return {
        "messageId": str(number),
        "body": body,
        "eventSource": "aws:sqs",
        "receiptHandle": "",
        "attributes": {},
    }


def created(key):
    return json.dumps(
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {
                "bucket": {"name": batching.INPUT},
                "object": {"key": key, "size": 1, "sequencer": "0"},
            },
        }
    )


def put(key):
    boto3.client("s3").put_object(Bucket=batching.INPUT, Key=key, Body=forms.jsonl([[0] * 4]))


def test_files_of_a_batch_of_messages_become_results(handler):
    for number in range(3):
        put(f"demo_model/a b+{number}.jsonl")
    records = [record(number, created(f"demo_model/a b+{number}.jsonl")) for number in range(3)]
    assert handler({"Records": records}, CONTEXT) == {"batchItemFailures": []}
    keys = [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=batching.OUTPUT)["Contents"]]
    assert len([key for key in keys if key.endswith("/_SUCCESS.json")]) == 3


def test_a_message_that_fails_now_is_the_only_one_delivered_again(handler):
    put("demo_model/r.jsonl")
    records = [
        record("gone", created("demo_model/not-yet-visible.jsonl")),
        record("good", created("demo_model/r.jsonl")),
        record("nonsense", "{"),
        record("test", json.dumps({"Event": "s3:TestEvent"})),
    ]
    assert handler({"Records": records}, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "gone"}]}


def test_a_direct_call_is_answered(handler):
    put("demo_model/r.jsonl")
    message = {"modelet_batch": 1, "action": "start", "bucket": batching.INPUT, "key": "demo_model/r.jsonl"}
    answer = handler(message, CONTEXT)
    assert (answer["state"], answer["rows"], answer["failed_rows"]) == ("succeeded", 1, 0)
    assert handler({"modelet_batch": 1, "action": "join", "run": answer["run"]}, CONTEXT) == answer


def test_what_predict_imports_holds_nothing_of_batch():
    code = """
import sys
import modelet_runtime.http.application, modelet_runtime.predictor, modelet_runtime.startup
import modelet_runtime.telemetry, modelet_runtime.steps.pipeline, modelet_runtime.http.lambda_event
heavy = ("botocore.session", "arro3", "numpy", "backports", "modelet_runtime.batch")
print({name for name in sys.modules if name in heavy})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_command_lines_modules_need_the_standard_library_only():
    code = """
import sys
import modelet_runtime.batch.identity, modelet_runtime.batch.messages, modelet_runtime.batch.records
print({name.split(".")[0] for name in sys.modules} & {"botocore", "arro3", "numpy", "orjson"})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_messages_for_which_no_time_is_left_go_back_to_the_queue(handler):
    for number in range(3):
        put(f"demo_model/{number}.jsonl")
    records = [record(number, created(f"demo_model/{number}.jsonl")) for number in range(3)]
    late = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 20_000)
    assert handler({"Records": records}, late) == {"batchItemFailures": []}
    sqs = boto3.client("sqs")
    url = sqs.list_queues()["QueueUrls"][0]
    waiting = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in waiting} >= {records[1]["body"], records[2]["body"]}


def test_going_on_is_no_loop_that_lambda_should_end(aws, monkeypatch):
    url = boto3.client("sqs").create_queue(QueueName="own")["QueueUrl"]
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "batch")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-a;Parent=b;Sampled=0;Lineage=1:c:15")
    client = client_factory()("sqs")
    traces = []
    client.meta.events.register("before-send", lambda request, **_: traces.append(request.headers))
    Queue(client, url).send("{}")
    client.get_queue_attributes(QueueUrl=url)
    assert traces[0]["X-Amzn-Trace-Id"] == b"Root=1-a;Parent=b;Sampled=0"
    assert traces[1]["X-Amzn-Trace-Id"].endswith(b"Lineage=1:c:15")
