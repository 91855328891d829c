"""What a person names becomes keys and tags; where it goes is what the stacks say."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from modelet.batch.places import Places, find
from modelet.batch.runs import View
from modelet.batch.submit import inputs, tags
from modelet.errors import ServiceRefused, SourceRefused
from modelet_runtime.batch.errors import OptionsRefused
from modelet_runtime.batch.records import Progress, Run


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def stack(name: str, **outputs: str) -> None:
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))


def test_files_folders_and_objects_get_keys_below_the_model(tmp_path: Path):
    (tmp_path / "day" / "deep").mkdir(parents=True)
    for file in ("a.csv", "day/b.csv", "day/deep/c.png"):
        (tmp_path / file).write_bytes(b"12345")
    found = inputs(
        "demo@2", [str(tmp_path / "a.csv"), str(tmp_path / "day"), "s3://elsewhere/x/d.npy"], "/may/"
    )
    assert [each.key for each in found] == [
        "demo@2/may/a.csv", "demo@2/may/day/b.csv", "demo@2/may/day/deep/c.png", "demo@2/may/d.npy",
    ]  # fmt: skip
    assert [each.size_bytes for each in found] == [5, 5, 5, 0]
    assert found[3].source == ("elsewhere", "x/d.npy")


def test_what_is_no_input_is_refused(tmp_path: Path):
    with pytest.raises(SourceRefused, match=r"there is no file missing\.csv"):
        inputs("demo", ["missing.csv"])
    (tmp_path / "a.csv.modelet.toml").write_text("")
    with pytest.raises(SourceRefused, match="would be no input"):
        inputs("demo", [str(tmp_path / "a.csv.modelet.toml")])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ""),
        ({"format": "csv", "keep": ["*"]}, "modelet%3Aformat=csv&modelet%3Akeep=all"),
        ({"keep": ["a", "b"], "failure_share": 0.5}, "modelet%3Akeep=a+b&modelet%3Afailure_share=0.5"),
    ],
)
def test_options_become_tags(options: dict, expected: str):
    assert tags(options) == expected


@pytest.mark.parametrize("keep", ["two words", "x*y", "a,b"])
def test_a_column_that_no_tag_can_name_is_refused(keep: str):
    with pytest.raises(SourceRefused, match=r"write it into <input>\.modelet\.toml"):
        tags({"keep": [keep]})


def test_options_are_checked_before_anything_is_put():
    with pytest.raises(OptionsRefused, match="format"):
        tags({"format": "xlsx"})


def test_a_stage_is_found_by_the_outputs_of_its_stacks(aws: None):
    stack("modelet-prod-batch", BatchInput="in-1", BatchOutput="out-1", BatchTable="table-1")
    stack(
        "modelet-prod-demo",
        Model="demo",
        BatchQueue="live-url",
        BatchQueue2="two-url",
        BatchQueue3="three-url",
    )
    stack("modelet-test-batch", BatchInput="in-2", BatchOutput="out-2", BatchTable="table-2")
    stack("others", BatchInput="in-3", BatchOutput="out-3", BatchTable="table-3")
    places = find(None, "prod")
    assert (places.inputs, places.outputs, places.table) == ("in-1", "out-1", "table-1")
    assert (places.endpoint_url, places.queue_url("demo", 3)) == (None, "three-url")
    with pytest.raises(ServiceRefused, match="demo@4 takes no batches"):
        places.queue_url("demo", 4)


def test_a_stage_without_batch_is_refused(aws: None):
    stack("modelet-prod-shared", KeysTable="keys")
    with pytest.raises(ServiceRefused, match="BatchInput, BatchOutput, BatchTable"):
        Places.of_stage("prod")


def test_nothing_is_sent_to_aws_where_no_stage_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ServiceRefused, match="no local service has its S3 at "):
        find(None, None)


RUN = Run(
    run="r", model="demo", version=1, digest="", bucket="in", key="demo/a", object_version="", etag="",
    input_bytes=1000, state="running", created_at=0, parts=2, output="",
)  # fmt: skip
HALF = Progress(2, 1, rows=300, failed_rows=3, bytes_done=250, bytes_total=1000, busy_ms=0, infer_ms=0)


def test_speed_and_time_left_follow_from_what_is_done():
    view = View(RUN, HALF, elapsed_s=10, cost_usd=None)
    assert (view.share, view.rows, view.failed_rows, view.rows_per_s, view.eta_s) == (0.25, 300, 3, 30, 30)
    assert view.to_dict()["eta_s"] == 30


def test_a_run_that_is_over_has_no_time_left_and_its_own_counts():
    done = replace(RUN, state="succeeded", rows=900, failed_rows=9)
    view = View(done, HALF, elapsed_s=10, cost_usd=0.5)
    assert (view.share, view.rows, view.failed_rows, view.rows_per_s, view.eta_s) == (1, 900, 9, 90, None)


def test_a_run_that_has_just_begun_tells_nothing_yet():
    view = View(RUN, Progress.of([]), elapsed_s=1, cost_usd=None)
    assert (view.share, view.rows_per_s, view.eta_s) == (0, None, None)
