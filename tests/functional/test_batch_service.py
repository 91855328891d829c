"""Batch inference on one machine: files go into a bucket, results come out; all that is between is real."""

import contextlib
import json
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from support import forms
from support.artifacts import write_version
from support.batch_service import BatchService, batch_service, until, with_batch
from support.graphs import softmax
from support.service import running

from modelet.aliases.moves import promote, rollback
from modelet.repository import ModelFolder, Repository, served_version
from modelet_runtime.manifest import Batch

MODELET = (sys.executable, "-c", "import modelet.cli; modelet.cli.main()")
# As a person starts it; `running` gives the models and a port first.
SERVE = """
import sys
import modelet.cli
models, port, *options = sys.argv[1:]
sys.argv = ["modelet", "serve", "--models", models, "--port", port, *options]
modelet.cli.main()
"""
MODELS = Path(__file__).parents[2] / "model_artifacts"
RNG = np.random.default_rng(3)
ROWS = RNG.random((300, 4)).astype(np.float32)
EXPECTED = np.exp(ROWS) / np.exp(ROWS).sum(1, keepdims=True)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for number in (1, 2):
        write_version(
            root / "demo_model" / "versions" / str(number), softmax(), "demo_model",
            version=number, batch=Batch(split_mib=1),
        )  # fmt: skip
    write_version(root / "demo_plain" / "versions" / "1", softmax(), "demo_plain")
    picture = served_version(Repository(MODELS).model("digit_image"))
    assert picture is not None, "`modelet build digit_image` comes first"
    with_batch(picture.folder, root / "digit_image" / "versions" / str(picture.number))
    shutil.copytree(MODELS / "digit_image" / "samples", root / "digit_image" / "samples")
    return root


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[BatchService]:
    with batch_service(models) as found:
        yield found


def command(service: BatchService, models: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    options = ("--endpoint-url", service.s3_url, "--models", str(models))
    return subprocess.run(
        [*MODELET, "batch", *arguments, *options],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def check(service: BatchService, run, report, rows=EXPECTED) -> None:
    assert report["state"] == "succeeded", report
    actual = forms.read_back(service.get(run.results), report["output"]["format"])
    np.testing.assert_allclose(np.array(actual, float), rows, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "form", ["jsonl", "csv", "npy", "npz", "parquet", "arrow", "jsonl.gz", "jsonl.zst", "csv.zst"]
)
def test_a_file_of_rows_becomes_a_file_of_answers(service: BatchService, form: str):
    run, report = service.infer(f"demo_model/forms/rows.{form}", forms.every_form(ROWS)[form])
    check(service, run, report)
    assert (run.version, report["rows"], report["failed_rows"]) == (2, 300, 0)


def test_a_picture_becomes_an_answer(service: BatchService):
    picture = (MODELS / "digit_image" / "samples" / "three.png").read_bytes()
    run, report = service.infer("digit_image/three.png", picture)
    assert report["rows"] == 1
    assert json.loads(service.get(run.results))["label"] == "3"


def test_a_row_that_fails_goes_to_the_errors_and_the_others_go_on(service: BatchService):
    rows = ROWS[:50].tolist()
    rows[7] = [1.0]
    run, report = service.infer("demo_model/wrong.jsonl", forms.jsonl(rows))
    assert (report["rows"], report["failed_rows"]) == (50, 1)
    [error] = [json.loads(line) for line in service.get(run.errors).splitlines()]
    assert error["row"] == 7
    answers = [json.loads(line) for line in service.get(run.results).splitlines()]
    assert answers[7] is None
    np.testing.assert_allclose(np.array(answers[8:]), EXPECTED[8:50], rtol=1e-4)


def test_a_big_file_is_split_by_the_state_machine_and_joined_in_order(service: BatchService):
    rows = RNG.random((400_000, 4)).astype(np.float32)
    run, report = service.infer("demo_model/big.npy", forms.npy(rows))
    assert report["parts"] > 4
    [execution] = _executions(service, run.run)
    until(lambda: _executions(service, run.run)[0]["status"] == "SUCCEEDED", service.running)
    assert execution["name"] == run.run
    check(service, run, report, np.exp(rows) / np.exp(rows).sum(1, keepdims=True))


def _executions(service: BatchService, name: str) -> list[dict]:
    machines = service.client("stepfunctions")
    arn = "arn:aws:states:us-east-1:000000000000:stateMachine:modelet-batch-demo_model-2"
    return [
        each for each in machines.list_executions(stateMachineArn=arn)["executions"] if each["name"] == name
    ]


def test_keys_say_which_version_and_a_promote_moves_them(service: BatchService, models: Path):
    data = forms.jsonl(ROWS[:3].tolist())

    def versions(name: str) -> list[int]:
        keys = [f"{which}/{name}.jsonl" for which in ("demo_model", "demo_model@live", "demo_model@1")]
        return [service.infer(key, data)[0].version for key in keys]

    assert versions("before") == [2, 2, 1]
    model = ModelFolder(models / "demo_model")
    promote(model, 2)
    promote(model, 1)
    until(lambda: service.infer("demo_model@live/probe.jsonl", data)[0].version == 1, service.running)
    assert versions("after") == [1, 1, 1]
    rollback(model)
    until(lambda: service.infer("demo_model@live/probe.jsonl", data)[0].version == 2, service.running)
    assert versions("back") == [2, 2, 1]


def test_an_object_for_no_model_is_told(service: BatchService):
    service.put("demo_model@9/rows.jsonl", b"[1, 2, 3, 4]\n")
    service.put("demo_plain/rows.jsonl", b"[1, 2, 3, 4]\n")
    for key in ("demo_model@9/rows.jsonl", "demo_plain/rows.jsonl"):
        until(
            lambda key=key: any(f"s3://modelet-in/{key} is for no model" in x for x in service.running.lines),
            service.running,
        )


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_example_that_the_service_prints_works(service: BatchService):
    [example] = [line for line in service.running.lines if line.startswith("curl -T ")]
    done = subprocess.run(["bash", "-c", example], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"digit_image@\d+  succeeded  1 rows", done.stdout)
    assert '"label":"3"' in done.stdout.replace(" ", "")


def test_the_commands_submit_watch_retry_and_cancel(service: BatchService, models: Path, tmp_path: Path):
    rows = ROWS[:40].tolist()
    rows[3] = [1.0]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "some.jsonl").write_bytes(forms.jsonl(rows))
    done = command(service, models, "submit", "demo_model", str(tmp_path / "in"), "--prefix", "cli", "--json",
                   "--wait", "--format", "csv", "--keep", "*")  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["input"], run["rows"], run["failed_rows"]) == (
        "s3://modelet-in/demo_model/cli/in/some.jsonl",
        40,
        1,
    )
    assert run["results"].endswith("/some.csv")
    assert run["cost_estimate_usd"] > 0
    assert run["rows_per_s"] > 0

    listed = command(service, models, "status").stdout
    assert run["run"][:12] in listed
    one = command(service, models, "status", run["run"][:8])
    assert "succeeded  40 rows, 1 failed" in one.stdout

    again = json.loads(command(service, models, "retry", run["run"], "--json").stdout)
    assert again["retry_of"] == run["run"]
    waited = command(service, models, "wait", again["run"], "--show")
    assert waited.returncode == 0, waited.stderr
    assert len(waited.stdout.splitlines()) > 5

    late = command(service, models, "cancel", run["run"])
    assert (late.returncode, "is over: succeeded" in late.stderr) == (1, True)
    nothing = command(service, models, "status", "ffffffff")
    assert (nothing.returncode, "there is no run ffffffff" in nothing.stderr) == (1, True)


def test_an_object_that_is_there_is_announced_again_and_its_run_stays_the_same(
    service: BatchService, models: Path
):
    run, _ = service.infer("demo_model/there.jsonl", forms.jsonl(ROWS[:5].tolist()))
    done = command(
        service, models, "submit", "demo_model", "s3://modelet-in/demo_model/there.jsonl", "--json"
    )
    assert [each["run"] for each in json.loads(done.stdout)] == [run.run], done.stderr
    copied = command(
        service,
        models,
        "submit",
        "demo_model@1",
        "s3://modelet-in/demo_model/there.jsonl",
        "--json",
        "--wait",
    )
    assert json.loads(copied.stdout)["version"] == 1, copied.stderr


def test_a_run_that_waits_is_cancelled_and_leaves_no_results(service: BatchService, models: Path):
    rows = RNG.random((3_000_000, 4)).astype(np.float32)
    version = service.put("demo_model/long.npy", forms.npy(rows))

    def runs() -> list[str]:
        return [run.run for run in service.runs("demo_model") if run.object_version == version]

    until(runs, service.running)
    done = command(service, models, "cancel", runs()[0])
    assert done.returncode == 0, done.stderr
    run, report = service.ended("demo_model/long.npy", version)
    assert (run.state, report["state"], run.results) == ("cancelled", "cancelled", "")
    assert command(service, models, "wait", runs()[0]).returncode == 1


def test_an_account_is_used_by_the_outputs_of_its_stacks(service: BatchService, models: Path, tmp_path: Path):
    """The way to AWS, with the local service's buckets, table and queues in an account's place."""
    queue = service.client("sqs").get_queue_url(QueueName="modelet-batch-demo_model-2")["QueueUrl"]
    shared = {"BatchInput": "modelet-in", "BatchOutput": "modelet-out", "BatchTable": "modelet-batch"}
    own = {"Model": "demo_model", "BatchQueue": queue, "BatchQueue2": queue}
    for stack, outputs in (("modelet-prod-batch", shared), ("modelet-prod-model-demo-model", own)):
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        service.client("cloudformation").create_stack(StackName=stack, TemplateBody=json.dumps(template))
    rows = ROWS[:40].tolist()
    rows[3] = [1.0]
    (tmp_path / "far.jsonl").write_bytes(forms.jsonl(rows))

    def there(*arguments: str) -> Any:
        done = subprocess.run(
            [*MODELET, "batch", *arguments, "--stage", "prod", "--models", str(models), "--json"],
            env={**os.environ, "AWS_ENDPOINT_URL": service.s3_url, "AWS_DEFAULT_REGION": "us-east-1",
                 "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    run = there("submit", "demo_model", str(tmp_path / "far.jsonl"), "--wait")
    assert (run["state"], run["rows"], run["failed_rows"]) == ("succeeded", 40, 1)
    assert there("status", run["run"])["results"] == run["results"]
    again = there("wait", there("retry", run["run"], "--failed-only")["run"])
    assert (again["state"], again["rows"], again["failed_rows"]) == ("succeeded", 1, 1)


def test_a_terminal_shows_a_bar_until_the_run_is_over(service: BatchService, models: Path):
    version = service.put("demo_model/bar.npy", forms.npy(RNG.random((1_000_000, 4)).astype(np.float32)))
    near, far = pty.openpty()
    with subprocess.Popen(
        [*MODELET, "batch", "wait", "s3://modelet-in/demo_model/bar.npy",
         "--endpoint-url", service.s3_url, "--models", str(models)],
        stdout=subprocess.PIPE, stderr=far, text=True, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    ) as process:  # fmt: skip
        os.close(far)
        shown = b""
        with suppress(OSError):  # what Linux says when the other end is closed
            while piece := os.read(near, 4096):
                shown += piece
        os.close(near)
        assert process.stdout is not None
        assert "succeeded  1000000 rows" in process.stdout.read()
    assert process.returncode == 0
    run, _ = service.ended("demo_model/bar.npy", version)
    assert run.run[:12] in shown.decode()
    assert "\u2501" in shown.decode()  # a heavy line


def free_port() -> int:
    """A free port that no connection is given by the system before it is listened at."""
    for port in range(20_000, 30_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def test_s3_listens_where_the_person_said(models: Path):
    port = free_port()
    with running(models, "--s3-port", str(port), script=SERVE) as started:
        until(lambda: any(f"batch http://127.0.0.1:{port}" in line for line in started.lines), started)
        for secret in ("any", "other"):
            s3 = boto3.client(
                "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="eu-central-1",
                aws_access_key_id=secret, aws_secret_access_key=secret,
            )  # fmt: skip
            names = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
            assert names == {"modelet-in", "modelet-jobs", "modelet-out"}


def test_without_a_service_the_commands_say_what_to_do(models: Path, tmp_path: Path):
    done = subprocess.run(
        [*MODELET, "batch", "status", "--url", "http://127.0.0.1:1"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "run `modelet serve`" in done.stderr
