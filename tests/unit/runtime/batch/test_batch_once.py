"""One set of results per input: duplicates, kills, pauses, time-outs and faults change nothing."""

import gzip
import json
import random
from collections import Counter
from dataclasses import replace
from time import monotonic, sleep

import boto3
import numpy as np
import pytest
from backports import zstd
from botocore.exceptions import IncompleteReadError
from support import forms
from support.batch_faults import survive
from support.batching import INPUT, Batching, FakeMachine
from support.manifests import FunctionSession, manifest, specs

from modelet_runtime.batch import messages, planner
from modelet_runtime.batch.application import BatchApplication, Call
from modelet_runtime.batch.forms.base import Limits, Source
from modelet_runtime.batch.messages import Message
from modelet_runtime.batch.options import Options
from modelet_runtime.batch.records import Part
from modelet_runtime.manifest import Batch, Signature
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps import pipeline

SMALL = Limits(chunk_bytes=4096, read_bytes=8192)
RNG = np.random.default_rng(5)
ROWS = RNG.random((300, 4)).astype(np.float32)
EXPECTED = np.exp(ROWS) / np.exp(ROWS).sum(1, keepdims=True)
# Every form that can be taken up where it was left.
RESUMED = [
    "jsonl",
    "csv",
    "npy",
    "npz",
    "parquet",
    "arrow",
    "stream.arrow",
    "jsonl.gz",
    "jsonl.zst",
    "csv.gz",
    "csv.zst",
]


def check(ended, rows=EXPECTED):
    assert ended.report["state"] == "succeeded", ended.report
    actual = forms.read_back(ended.results, ended.report["output"]["format"])
    np.testing.assert_allclose(np.array(actual, float), rows, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", RESUMED)
def test_a_run_goes_on_in_the_next_call_when_the_time_is_up(aws, predictor, form):
    batch = Batching(predictor, limits=SMALL)
    answer = batch.handle(
        batch.put(f"demo_model/r.{form}", forms.every_form(ROWS)[form]), deadline_s=monotonic()
    )
    calls = 1
    while answer["state"] == "continue":
        answer = batch.handle(Message("continue", run=answer["run"]), deadline_s=monotonic())
        calls += 1
    assert calls >= 2
    check(batch.ended(answer["run"]))


def test_the_time_limit_sends_a_message_to_the_functions_own_queue(aws, predictor):
    batch = Batching(predictor, limits=SMALL)
    message = batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"])
    answer = batch.handle(message, deadline_s=monotonic(), from_queue=True)
    while answer["state"] == "continue":
        [(body, delay_s)] = batch.queue.sent
        assert delay_s == 0
        batch.queue.sent.clear()
        answer = batch.handle(messages.parse_text(body), deadline_s=monotonic(), from_queue=True)
    check(batch.ended(answer["run"]))


def test_a_duplicate_or_late_event_changes_nothing(batch):
    message = batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"])
    first = batch.handle(message)
    before = written(batch)
    batch.clock_s += 86_400
    assert batch.handle(message) == first
    assert written(batch) == before


def written(batch):
    listed = batch.s3.list_objects_v2(Bucket="modelet-out")["Contents"]
    return {item["Key"]: item["LastModified"] for item in listed}


def test_a_duplicate_of_a_run_that_is_under_way_comes_back_later(aws, predictor):
    batch = Batching(predictor)
    message = batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"])
    run = start_and_pause(batch, message)
    answer = batch.handle(message, from_queue=True)
    assert answer["state"] == "continue"
    [(body, delay_s)] = batch.queue.sent
    assert 0 < delay_s <= 62
    batch.clock_s += delay_s
    assert batch.handle(messages.parse_text(body))["state"] == "succeeded"
    check(batch.ended(run))


def start_and_pause(batch: Batching, message: Message) -> str:
    """Begin a run, and have its worker hold the lease without ever working."""
    run, parts = batch.application._planned(batch.around.inputs.head(message.ref.key)[0], {})
    batch.store.create(run, parts)
    assert batch.store.acquire(run.run, 0, 60)
    return run.run


def test_a_new_version_of_the_object_is_a_new_run(batch):
    one = batch.infer("demo_model/r.jsonl", forms.jsonl([[0, 0, 0, 0]]))
    two = batch.infer("demo_model/r.jsonl", forms.jsonl([[9, 0, 0, 0]]))
    assert one.report["run"] != two.report["run"]
    assert len([key for key in written(batch) if key.endswith("_SUCCESS.json")]) == 2


def test_an_event_for_an_object_that_was_replaced_since_is_a_recorded_failure(batch):
    late = batch.put("demo_model/r.jsonl", forms.jsonl([[0, 0, 0, 0]]))
    batch.infer("demo_model/r.jsonl", forms.jsonl([[9, 0, 0, 0]]))
    answer = batch.handle(late)
    assert (answer["state"], answer["error"][:10]) == ("failed", "input_gone")
    assert batch.ended(answer["run"]).report["error"]["code"] == "input_gone"


def test_in_a_bucket_with_versions_the_old_version_is_still_inferred(batch):
    batch.s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
    stored = batch.s3.put_object(Bucket=INPUT, Key="demo_model/r.jsonl", Body=forms.jsonl([[0, 0, 0, 0]]))
    batch.s3.put_object(Bucket=INPUT, Key="demo_model/r.jsonl", Body=forms.jsonl([[0, 0, 0, 0]] * 2))
    announced = batch.announcement("demo_model/r.jsonl", 9, stored["ETag"])
    message = replace(announced, ref=replace(announced.ref, version_id=stored["VersionId"]))
    answer = batch.handle(message)
    assert (answer["state"], answer["rows"]) == ("succeeded", 1)


@pytest.mark.parametrize("seed", range(10))
def test_faults_and_kills_at_any_call_leave_one_right_result(aws, predictor, seed):
    survive(predictor, seed)  # tests/chaos has many more


def test_a_worker_that_was_paused_past_its_lease_changes_nothing(aws, predictor):
    batch = Batching(predictor)
    message = batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"])
    run = start_and_pause(batch, message)
    paused = batch.store.part(run, 0)
    batch.clock_s += 61
    assert batch.handle(message)["state"] == "succeeded"
    with pytest.raises(Exception, match="another worker"):
        batch.store.checkpoint(replace(paused, rows=12))
    batch.store.release(paused)
    check(batch.ended(run))


def test_a_part_that_kills_its_workers_ends_as_a_recorded_failure(batch):
    message = batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"])
    run = start_and_pause(batch, message)
    for _ in range(3):
        batch.clock_s += 61
        assert batch.store.acquire(run, 0, 60)
    batch.clock_s += 61
    answer = batch.handle(message)
    assert answer["state"] == "failed"
    assert "taken up 4 times and never got beyond row 0" in answer["error"]


def test_cancelling_stops_a_run_and_says_so(batch):
    message = batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"])
    run = start_and_pause(batch, message)
    batch.clock_s += 61
    assert batch.store.cancel(run)
    assert batch.handle(message)["state"] == "cancelled"
    ended = batch.ended(run)
    assert (ended.report["state"], ended.results) == ("cancelled", b"")
    assert not batch.store.cancel(run)


def test_a_worker_hears_of_cancellation_while_it_works(aws, predictor):
    batch = Batching(predictor, limits=SMALL, beat_s=0.0)
    message = batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"] * 40)
    taken = batch.store.beat

    def cancel_with_the_first_beat(part, lease_s):
        batch.store.cancel(part.run)
        taken(part, lease_s)

    batch.store.beat = cancel_with_the_first_beat
    assert batch.handle(message)["state"] == "cancelled"


@pytest.mark.parametrize("form", ["jsonl", "csv", "npy", "parquet"])
def test_parts_side_by_side_join_to_what_one_worker_makes(aws, predictor, form):
    machine = FakeMachine()
    batch = Batching(predictor, machine=machine)
    rows = [row.tolist() for row in ROWS]
    data = {
        **forms.every_form(ROWS),
        "jsonl": forms.jsonl([*rows[:250], [1, 2], *rows[250:]]),
        "csv": forms.csv_table(["a", "b", "c", 'd"\n'], rows),
    }[form]
    message = batch.put(f"demo_model/r.{form}", data)
    ref = batch.around.inputs.head(message.ref.key)[0]
    source = Source(batch.around.inputs, ref)
    found = planner.look(source, Options(), predictor.pipeline.media_types, Limits())
    slices = planner.split(source, found, 1500, Limits())
    assert len(slices) > 2
    run, _ = batch.application._planned(ref, {})
    parts = [Part(run.run, number, slice=cut, bytes_total=1) for number, cut in enumerate(slices)]
    batch.store.create(replace(run, parts=len(parts)), parts)
    assert batch.handle(message)["state"] == "running"
    [(name, document)] = machine.started.items()
    assert (name, document["parts"]) == (run.run, len(parts))
    assert batch.handle(message)["state"] == "running"  # a duplicate starts nothing more
    for number in random.Random(1).sample(range(len(parts)), len(parts)):
        answer = batch.handle(Message("part", run=run.run, part=number))
        assert answer["state"] == "done"
    assert batch.handle(Message("join", run=run.run))["state"] == "succeeded"
    ended = batch.ended(run.run)
    if form != "jsonl":
        check(ended)
        return
    assert [error["row"] for error in ended.errors] == [250]
    read = forms.read_back(ended.results, "jsonl")
    assert read.pop(250) is None
    np.testing.assert_allclose(np.array(read), EXPECTED, rtol=1e-4)


def test_a_list_of_objects_is_split_and_joined_too(aws, predictor):
    machine = FakeMachine()
    batch = Batching(predictor, machine=machine, limits=SMALL)
    for number, row in enumerate(ROWS[:60]):
        batch.s3.put_object(Bucket=INPUT, Key=f"lake/{number}", Body=json.dumps(row.tolist()).encode())
    uris = forms.jsonl([f"s3://{INPUT}/lake/{number}" for number in range(60)])
    message = batch.put("demo_model/all.jsonl", uris)
    ref = batch.around.inputs.head(message.ref.key)[0]
    source = Source(batch.around.inputs, ref)
    found = planner.look(source, Options(), predictor.pipeline.media_types, Limits())
    assert found.form == "manifest"
    slices = planner.split(source, found, 400, Limits())
    assert len(slices) > 2
    run, _ = batch.application._planned(ref, {})
    parts = [Part(run.run, number, slice=cut, bytes_total=1) for number, cut in enumerate(slices)]
    batch.store.create(replace(run, parts=len(parts)), parts)
    for number in range(len(parts)):
        assert batch.handle(Message("part", run=run.run, part=number))["state"] == "done"
    assert batch.handle(Message("join", run=run.run))["state"] == "succeeded"
    check(batch.ended(run.run), EXPECTED[:60])


def test_a_packed_manifest_is_one_too(batch):
    batch.s3.put_object(Bucket=INPUT, Key="lake/0", Body=b"[0, 0, 0, 0]")
    uris = forms.jsonl([f"s3://{INPUT}/lake/0"] * 3)
    for suffix, packed in (("gz", gzip.compress(uris)), ("zst", zstd.compress(uris))):
        ended = batch.infer(f"demo_model/all.jsonl.{suffix}", packed)
        assert (ended.report["input"]["form"], ended.report["rows"]) == ("manifest", 3)
        assert ended.report["state"] == "succeeded"


def test_a_big_input_goes_to_the_state_machine(aws, predictor):
    machine = FakeMachine()
    batch = Batching(predictor, machine=machine)
    big = forms.npy(np.zeros((1_800_000, 4), np.float32))
    answer = batch.handle(batch.put("demo_model/r.npy", big))
    assert (answer["state"], answer["parts"]) == ("running", 2)


def test_retrying_takes_only_what_failed(batch):
    rows = [[0, 0, 0, 0]] * 30
    rows[7] = rows[21] = [1]
    first = batch.infer("demo_model/r.jsonl", forms.jsonl(rows))
    run = first.report["run"]
    answer = batch.handle(Message("retry", run=run, attempt=1, failed_only=True))
    ended = batch.ended(answer["run"])
    assert (ended.report["rows"], ended.report["retry_of"]) == (2, run)
    assert [error["row"] for error in ended.errors] == [7, 21]
    assert batch.handle(Message("retry", run=run, attempt=1, failed_only=True)) == answer
    assert batch.handle(Message("retry", run=run, attempt=2))["rows"] == 30


def test_rows_that_fail_again_do_not_fail_their_retry(batch):
    rows = [[0, 0, 0, 0]] * 30
    rows[7] = rows[21] = [1]
    run = batch.infer("demo_model/r.jsonl", forms.jsonl(rows)).report["run"]
    for attempt in (1, 2):  # a retry can be repeated as well
        answer = batch.handle(Message("retry", run=run, attempt=attempt, failed_only=True))
        ended = batch.ended(answer["run"])
        assert ended.report["state"] == "succeeded", ended.report
        assert (ended.report["rows"], ended.report["failed_rows"]) == (2, 2)
        assert [error["row"] for error in ended.errors] == [7, 21]
        assert [json.loads(line) for line in ended.results.splitlines()] == [
            {"row": 7, "prediction": None},
            {"row": 21, "prediction": None},
        ]
        run = answer["run"]


def test_thousands_of_rows_may_fail_again(aws, predictor):
    batch = Batching(predictor, limits=SMALL)
    rows = [[0, 0, 0, 0] if number % 11 else [1] for number in range(13_200)]
    run = batch.infer("demo_model/r.jsonl", forms.jsonl(rows)).report["run"]
    answer = batch.handle(Message("retry", run=run, attempt=1, failed_only=True))
    assert (answer["state"], answer["rows"], answer["failed_rows"]) == ("succeeded", 1200, 1200)


def test_rows_of_a_run_without_results_are_not_retried_alone(batch):
    run = batch.infer("demo_model/r.jsonl", forms.jsonl([[0] * 4] * 8 + [[1]] * 2)).report["run"]
    answer = batch.handle(Message("retry", run=run, attempt=1, failed_only=True))
    assert answer["state"] == "failed"
    assert "its other rows have no results: retry them all" in answer["error"]
    run = batch.infer("demo_model/s.jsonl", forms.jsonl([[0] * 4])).report["run"]
    answer = batch.handle(Message("retry", run=run, attempt=1, failed_only=True))
    assert "has no failed rows" in answer["error"]


def test_the_table_lists_a_models_runs_latest_first(batch):
    for number in range(3):
        batch.clock_s += 1
        batch.infer(f"demo_model/{number}.jsonl", forms.jsonl([[0, 0, 0, 0]]))
    assert [run.key for run in batch.store.runs("demo_model")] == [f"demo_model/{n}.jsonl" for n in (2, 1, 0)]


def test_messages_of_other_models_and_selectors(batch):
    with pytest.raises(Exception, match="demo_model/"):
        batch.handle(batch.put("other_model/r.jsonl", b"1\n"))
    ended = batch.infer("demo_model@7/r.jsonl", forms.jsonl([[0, 0, 0, 0]]))
    assert "this function is 1, live" in ended.report["error"]["message"]
    assert batch.infer("demo_model@1/r.jsonl", forms.jsonl([[0, 0, 0, 0]])).report["state"] == "succeeded"
    assert batch.handle(batch.put("demo_model/r.jsonl.modelet.toml", b""))["state"] == "ignored"
    assert boto3.client("s3").list_objects_v2(Bucket="modelet-in")["KeyCount"] == 4


class Breaking:
    """A client whose streams break off twice per range."""

    def __init__(self, client):
        self._client, self.reads = client, Counter()

    def __getattr__(self, name):
        return getattr(self._client, name)

    def get_object(self, **arguments):
        answer = self._client.get_object(**arguments)
        self.reads[arguments["Range"]] += 1
        if self.reads[arguments["Range"]] <= 2:
            answer["Body"] = BrokenStream()
        return answer


class BrokenStream:
    def read(self):
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)


def test_a_connection_that_breaks_in_the_middle_of_a_range_is_tried_again(aws, predictor):
    batch = Batching(predictor, limits=SMALL)
    message = batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"])
    batch.around.inputs._client = Breaking(batch.s3)
    answer = batch.handle(message)
    check(batch.ended(answer["run"]))


def test_an_input_that_would_take_too_long_for_one_function_is_split_too(aws, tmp_path):
    def crawl(inputs):
        sleep(0.01 * inputs["logits"].shape[0])
        return [inputs["logits"].renamed("probabilities")]

    signature = Signature(specs(logits=("FP32", -1, 4)), specs(probabilities=("FP32", -1, 4)))
    model = manifest(signature.inputs, signature.outputs, batch=Batch(split_mib=25, split_s=60))
    slow = Predictor(model, FunctionSession(signature, crawl), pipeline.build(model, tmp_path))
    batch = Batching(slow, machine=FakeMachine())
    answer = batch.handle(batch.put("demo_model/r.npy", forms.npy(np.zeros((20_000, 4), np.float32))))
    assert answer["state"] == "running"
    assert answer["parts"] >= 2  # of two minutes each


def test_a_run_never_goes_on_with_another_version(aws, predictor):
    batch = Batching(predictor, limits=SMALL)
    message = batch.put("demo_model/r.jsonl", forms.jsonl(ROWS.tolist()))
    begun = batch.handle(message, deadline_s=monotonic())
    assert begun["state"] == "continue"
    promoted = BatchApplication(batch.around, "e" * 64, batch.queue, now=lambda: batch.clock_s)
    answer = promoted.handle(Message("continue", run=begun["run"]), Call())
    assert answer["state"] == "failed"
    assert "it began with demo_model@1" in batch.ended(begun["run"]).report["error"]["message"]
    assert promoted.handle(message, Call())["state"] == "succeeded"


def test_a_run_that_began_with_another_version_of_the_model_ends(batch):
    run = start_and_pause(batch, batch.put("demo_model/r.jsonl", forms.every_form(ROWS)["jsonl"]))
    batch.clock_s += 61
    batch.application._digest = "e" * 64
    answer = batch.handle(Message("continue", run=run))
    assert answer["state"] == "failed"
    assert "it began with demo_model@1" in answer["error"]
