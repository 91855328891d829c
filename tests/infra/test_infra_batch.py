"""Files of a bucket: what announces them, what takes them up, and what that may do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.assemblies import Assembly, synthesise
from support.checkouts import demo, make_checkout

from infra import config
from infra.config import DEV
from infra.errors import ModelRefused, SettingsRefused
from infra.settings import BatchStorage
from modelet_runtime.batch.settings import BatchSettings
from modelet_runtime.manifest import Batch

MODEL = "model-tabular-risk"
FUNCTION = "AWS::Lambda::Function"


def only(assembly: Assembly, kind: str, prefix: str, part: str = MODEL):
    """The properties of the one resource of a type whose logical id begins so."""
    (found,) = (p for name, p in assembly.of_type(part, kind).items() if name.startswith(prefix))
    return found


def name_of(assembly: Assembly, kind: str, prefix: str, part: str = MODEL) -> str:
    (found,) = (name for name in assembly.of_type(part, kind) if name.startswith(prefix))
    return found


def prefixes(assembly: Assembly, lane: str) -> list[str]:
    rule = only(assembly, "AWS::Events::Rule", f"{lane}Files")
    return [key["prefix"] for key in rule["EventPattern"]["detail"]["object"]["key"]]


def statements(assembly: Assembly, role: str):
    """Actions to resources of a role's policy."""
    policy = only(assembly, "AWS::IAM::Policy", role)
    found = {}
    for statement in policy["PolicyDocument"]["Statement"]:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            resources = statement["Resource"]
            found[action] = resources if isinstance(resources, list) else [resources]
    return found


class TestShared:
    @pytest.mark.parametrize("name", ["Input", "Output"])
    def test_buckets_are_private_and_have_versions(self, prod: Assembly, name: str):
        bucket = only(prod, "AWS::S3::Bucket", name, "batch")
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert "AES256" in json.dumps(bucket["BucketEncryption"])
        policy = only(prod, "AWS::S3::BucketPolicy", name, "batch")["PolicyDocument"]["Statement"]
        assert [s["Effect"] for s in policy] == ["Deny", "Deny"]
        assert policy[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_only_the_input_bucket_announces_objects(self, prod: Assembly):
        assert only(prod, "AWS::S3::Bucket", "Input", "batch")["NotificationConfiguration"] == {
            "EventBridgeConfiguration": {"EventBridgeEnabled": True}
        }
        assert "NotificationConfiguration" not in only(prod, "AWS::S3::Bucket", "Output", "batch")

    def test_work_and_uploads_that_were_given_up_go(self, prod: Assembly):
        rules = only(prod, "AWS::S3::Bucket", "Output", "batch")["LifecycleConfiguration"]["Rules"]
        (work,) = (rule for rule in rules if rule.get("Prefix") == ".modelet/runs/")
        assert (work["ExpirationInDays"], work["NoncurrentVersionExpiration"]["NoncurrentDays"]) == (7, 1)
        for name in ("Input", "Output"):
            rules = only(prod, "AWS::S3::Bucket", name, "batch")["LifecycleConfiguration"]["Rules"]
            assert {"DaysAfterInitiation": 7} in [r.get("AbortIncompleteMultipartUpload") for r in rules]
            # Nothing that people put or were given expires.
            assert all("ExpirationInDays" not in rule for rule in rules if "Prefix" not in rule)

    def test_the_table_is_as_the_runtime_uses_it(self, prod: Assembly):
        table = prod.only("batch", "AWS::DynamoDB::Table")
        assert [key["AttributeName"] for key in table["KeySchema"]] == ["run", "item"]
        (index,) = table["GlobalSecondaryIndexes"]
        assert index["IndexName"] == "by_model"
        assert [key["AttributeName"] for key in index["KeySchema"]] == ["model", "created_at"]
        assert index["Projection"] == {"ProjectionType": "ALL"}
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}

    def test_outputs_that_the_command_line_reads(self, keys: Assembly):
        assert {"BatchInput", "BatchOutput", "BatchTable"} <= set(keys.template("batch")["Outputs"])
        outputs = keys.template(MODEL)["Outputs"]
        assert outputs["Model"]["Value"] == "tabular_risk"
        live = {"Ref": name_of(keys, "AWS::SQS::Queue", "BatchFilesQueue")}
        assert outputs["BatchQueue"]["Value"] == outputs["BatchQueue2"]["Value"] == live
        assert outputs["BatchQueue3"]["Value"] == {
            "Ref": name_of(keys, "AWS::SQS::Queue", "Batch3FilesQueue")
        }


class TestWhichFiles:
    def test_every_version_has_its_keys(self, keys: Assembly):
        assert prefixes(keys, "Batch") == ["tabular_risk/", "tabular_risk@live/", "tabular_risk@2/"]
        assert prefixes(keys, "Batch3") == ["tabular_risk@canary/", "tabular_risk@3/"]
        assert prefixes(keys, "Batch1") == ["tabular_risk@1/"]

    def test_no_key_has_two_ways(self, keys: Assembly):
        ways = [prefix for lane in ("Batch", "Batch1", "Batch3") for prefix in prefixes(keys, lane)]
        assert not [(a, b) for a in ways for b in ways if a is not b and a.startswith(b)]

    def test_the_function_answers_to_the_same(self, keys: Assembly):
        for lane, aliases in (("Batch", "live 2"), ("Batch1", "1"), ("Batch3", "canary 3")):
            variables = only(keys, FUNCTION, f"{lane}InferFunction")["Environment"]["Variables"]
            assert variables["MODELET_BATCH_ALIASES"] == aliases

    def test_only_the_input_bucket_and_new_objects_count(self, prod: Assembly):
        pattern = only(prod, "AWS::Events::Rule", "BatchFiles")["EventPattern"]
        bucket = name_of(prod, "AWS::S3::Bucket", "Input", "batch")
        assert bucket in json.dumps(pattern["detail"]["bucket"])
        assert pattern["source"] == ["aws.s3"]
        assert pattern["detail-type"] == ["Object Created"]

    def test_models_without_batch_have_nothing_of_it(self, prod: Assembly):
        kinds = {r["Type"] for part, _, r in prod.resources() if part == "model-file-type"}
        assert not kinds & {"AWS::SQS::Queue", "AWS::Events::Rule", "AWS::StepFunctions::StateMachine"}

    def test_without_any_there_are_no_buckets(self, tmp_path: Path):
        assembly = synthesise(make_checkout(tmp_path / "checkout", [demo("a_a")]), DEV, tmp_path / "out")
        assert "batch" not in assembly.parts


class TestQueue:
    def test_what_failed_time_after_time_is_kept(self, prod: Assembly):
        queue = only(prod, "AWS::SQS::Queue", "BatchFilesQueue")
        dead = name_of(prod, "AWS::SQS::Queue", "BatchFilesDead")
        assert queue["RedrivePolicy"] == {
            "deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]},
            "maxReceiveCount": 5,
        }
        (target,) = only(prod, "AWS::Events::Rule", "BatchFiles")["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [dead, "Arn"]}}

    def test_a_message_stays_a_minute_longer_than_a_call_may_take(self, prod: Assembly):
        queue = only(prod, "AWS::SQS::Queue", "BatchFilesQueue")
        assert queue["VisibilityTimeout"] == only(prod, FUNCTION, "BatchInferFunction")["Timeout"] + 60

    def test_the_function_is_fed_by_its_queue(self, prod: Assembly):
        mapping = prod.only(MODEL, "AWS::Lambda::EventSourceMapping")
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": 20}
        assert mapping["BatchSize"] == 10

    def test_a_mapping_has_two_at_least(self, tmp_path: Path):
        models = [demo("a_a", batch=Batch(max_concurrency=1))]
        assembly = synthesise(make_checkout(tmp_path / "checkout", models), DEV, tmp_path / "out")
        mapping = assembly.only("model-a-a", "AWS::Lambda::EventSourceMapping")
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}


class TestFunction:
    def test_is_the_models_image_with_another_command(self, prod: Assembly):
        function, online = (only(prod, FUNCTION, name) for name in ("BatchInferFunction", "LiveFunction"))
        assert function["ImageConfig"] == {"Command": ["batch.handler.handler"]}
        assert function["Code"] == online["Code"]
        assert (function["MemorySize"], function["Timeout"]) == (3008, 600)
        assert "SnapStart" not in function
        assert function["RecursiveLoop"] == "Terminate"

    def test_memory_is_the_models_unless_it_says_otherwise(self, keys: Assembly):
        assert only(keys, FUNCTION, "BatchInferFunction")["MemorySize"] == 1769

    def test_the_runtime_takes_its_environment(self, prod: Assembly):
        variables = only(prod, FUNCTION, "BatchInferFunction")["Environment"]["Variables"]
        settings = BatchSettings.from_environment({k: json.dumps(v) for k, v in variables.items()})
        assert "FilesQueue" in settings.queue_url
        assert "modelet-prod-tabular_risk-live" in settings.state_machine
        assert "Runs" in settings.table

    def test_it_may_do_what_decision_0160_says(self, prod: Assembly):
        allowed = statements(prod, "BatchInferRole")
        inputs, outputs = (
            next(each for each in allowed["s3:ListBucket"] if name in json.dumps(each))
            for name in ("InputBucket", "OutputBucket")
        )

        def below(bucket, *paths: str):
            return [{"Fn::Join": ["", [bucket, path]]} for path in paths]

        assert allowed["s3:GetObjectVersion"] == below(inputs, "/*")
        writable = below(outputs, "/.modelet/runs/*", "/tabular_risk/*", "/tabular_risk@*")
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"):
            assert [each for each in allowed[action] if "Output" in json.dumps(each)] == writable
        assert not [each for each in allowed["s3:PutObject"] if "Input" in json.dumps(each)]
        assert allowed["states:StartExecution"][0]["Fn::Join"][1][-1] == (
            ":stateMachine:modelet-prod-tabular_risk-live"
        )
        queue = name_of(prod, "AWS::SQS::Queue", "BatchFilesQueue")
        assert allowed["sqs:SendMessage"] == [{"Fn::GetAtt": [queue, "Arn"]}]
        assert {action for action in allowed if action.startswith("dynamodb")} == {
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:Query",
        }


class TestStateMachine:
    def test_is_the_one_that_runs_locally(self, prod: Assembly):
        machine = prod.only(MODEL, "AWS::StepFunctions::StateMachine")
        assert machine["StateMachineName"] == "modelet-prod-tabular_risk-live"
        definition = json.loads(machine["DefinitionString"])
        source = Path(__file__).parents[2] / "functions" / "batch" / "distributed_map.asl.json"
        expected = json.loads(source.read_text())
        expected["States"]["Parts"] |= {"MaxConcurrency": 20, "ToleratedFailurePercentage": 0}
        assert definition == expected

    def test_it_calls_a_published_version(self, prod: Assembly):
        machine = prod.only(MODEL, "AWS::StepFunctions::StateMachine")
        version = name_of(prod, "AWS::Lambda::Version", "BatchInfer")
        assert machine["DefinitionSubstitutions"] == {"BatchFunction": {"Ref": version}}
        # Executions go on with the definition, and so the version, that they began with.
        assert prod.template(MODEL)["Resources"][version]["DeletionPolicy"] == "Retain"

    def test_it_may_call_its_function_and_run_its_map(self, prod: Assembly):
        allowed = statements(prod, "BatchSplitRole")
        function = name_of(prod, FUNCTION, "BatchInferFunction")
        versions = {"Fn::Join": ["", [{"Fn::GetAtt": [function, "Arn"]}, ":*"]]}
        assert allowed["lambda:InvokeFunction"] == [versions]
        assert set(allowed) == {
            "lambda:InvokeFunction",
            "s3:GetObject",
            "states:StartExecution",
            "states:DescribeExecution",
            "states:StopExecution",
        }

    def test_the_map_writes_no_results_of_its_own(self, prod: Assembly):
        # They would be lost without a flag of the CDK; the table and the output bucket have them.
        assert "ResultWriter" not in prod.only(MODEL, "AWS::StepFunctions::StateMachine")["DefinitionString"]


class TestFigures:
    def test_alarms(self, prod: Assembly):
        alarms = {
            name.removeprefix("BatchFigures")[:3]: alarm["Threshold"]
            for name, alarm in prod.of_type(MODEL, "AWS::CloudWatch::Alarm").items()
            if name.startswith("BatchFigures")
        }
        assert alarms == {"Dea": 0, "Old": 3600, "Fai": 0}

    def test_failed_runs_are_counted_by_the_line_that_the_runtime_logs(self, prod: Assembly):
        text = prod.only(MODEL, "AWS::Logs::MetricFilter")["FilterPattern"]
        assert text == '{ $.message = "handled" && $.state = "failed" }'
        source = Path(__file__).parents[2] / "layers/runtime/modelet_runtime/batch/lambda_event.py"
        assert '_logger.info("handled", extra={"action": message.action, **done})' in source.read_text()

    def test_the_dashboard_shows_files(self, prod: Assembly):
        body = json.dumps(prod.only(MODEL, "AWS::CloudWatch::Dashboard"))
        assert "Batch: files waiting and given up" in body
        assert "Batch:" not in json.dumps(prod.only("model-file-type", "AWS::CloudWatch::Dashboard"))

    def test_a_stage_may_do_without(self, dev: Assembly):
        assert not dev.of_type(MODEL, "AWS::CloudWatch::Alarm")
        assert not dev.of_type(MODEL, "AWS::Logs::MetricFilter")


class TestSettings:
    def test_buckets_that_are_there_are_used_as_they_are(self, tmp_path: Path):
        settings = replace(DEV, batch=BatchStorage(input_bucket="acme-in", output_bucket="acme-out"))
        checkout = make_checkout(tmp_path / "checkout", [demo("a_a", batch=Batch())])
        assembly = synthesise(checkout, settings, tmp_path / "out")
        assert not assembly.of_type("batch", "AWS::S3::Bucket")
        rule = assembly.only("model-a-a", "AWS::Events::Rule")
        assert rule["EventPattern"]["detail"]["bucket"] == {"name": ["acme-in"]}
        assert ":s3:::acme-out/a_a/*" in json.dumps(assembly.of_type("model-a-a", "AWS::IAM::Policy"))
        assert assembly.template("batch")["Outputs"]["BatchOutput"]["Value"] == "acme-out"

    def test_an_output_that_is_an_input_is_refused(self):
        with pytest.raises(SettingsRefused, match="every result would be the next input"):
            replace(DEV, batch=BatchStorage(input_bucket="acme", output_bucket="acme"))

    def test_an_output_that_is_another_stages_input_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        stages = {
            "first": replace(DEV, name="first", batch=BatchStorage(output_bucket="between")),
            "second": replace(DEV, name="second", batch=BatchStorage(input_bucket="between")),
        }
        monkeypatch.setattr(config, "STAGES", stages)
        with pytest.raises(SettingsRefused, match="'between' is the input_bucket of second"):
            config.stage("first", {})
        assert config.stage("second", {}).name == "second"

    @pytest.mark.parametrize(
        ("batch", "complaint"),
        [
            (Batch(memory_mib=64), "batch: memory_mib: Lambda has 128"),
            (Batch(timeout_s=901), "batch: timeout_s"),
            (Batch(timeout_s=30), "batch: timeout_s: expected 60"),
            (Batch(max_concurrency=0), "batch: max_concurrency"),
        ],
    )
    def test_what_lambda_does_not_give(self, tmp_path: Path, batch: Batch, complaint: str):
        checkout = make_checkout(tmp_path / "checkout", [demo("a_a", batch=batch)])
        with pytest.raises(ModelRefused, match=complaint):
            synthesise(checkout, DEV, tmp_path / "out")

    def test_a_stage_whose_machines_would_have_too_long_names(self, tmp_path: Path):
        checkout = make_checkout(tmp_path / "checkout", [demo("a_" + "a" * 46, batch=Batch())])
        with pytest.raises(SettingsRefused, match="choose a shorter name for the stage"):
            synthesise(checkout, replace(DEV, name="s" * 20), tmp_path / "out")
