"""Requests that are answered later: where they are kept, who may touch them, and what takes them up again."""

import json
from dataclasses import replace
from typing import Any

import pytest
from support.assemblies import Assembly

from infra.config import PROD
from infra.errors import SettingsRefused
from infra.settings import Jobs
from infra.stacks.catalog import stage_functions

MODEL = "model-file-type"


def statements(assembly: Assembly, part: str) -> list[tuple[str, Any, str]]:
    """Name of the policy, actions and resources as text."""
    return [
        (name, statement["Action"], json.dumps(statement["Resource"]))
        for name, policy in assembly.of_type(part, "AWS::IAM::Policy").items()
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def prefixes(resources: str) -> set[str]:
    return {
        prefix
        for prefix in ("uploads", "jobs", "endpoint/in", "endpoint/out", "endpoint/failed")
        if f"/{prefix}/*" in resources
    }


class TestBucket:
    def test_it_is_private_and_takes_tls_only(self, any_assembly: Assembly):
        bucket = any_assembly.only("jobs", "AWS::S3::Bucket")
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        denied = any_assembly.only("jobs", "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
        assert {s["Effect"] for s in denied} == {"Deny"}
        assert '"aws:SecureTransport": "false"' in json.dumps(denied)

    def test_everything_is_over_after_some_days(self, prod: Assembly, gpu: Assembly):
        for assembly, days in ((prod, 7), (gpu, 3)):
            (rule,) = assembly.only("jobs", "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
            assert rule["ExpirationInDays"] == days
            assert "Prefix" not in rule
            assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}

    def test_web_pages_reach_it_where_they_reach_the_api(self, keys: Assembly, prod: Assembly):
        (rule,) = keys.only("jobs", "AWS::S3::Bucket")["CorsConfiguration"]["CorsRules"]
        assert rule["AllowedOrigins"] == ["https://app.example.com"]
        assert rule["AllowedMethods"] == ["GET", "POST"]
        assert "CorsConfiguration" not in prod.only("jobs", "AWS::S3::Bucket")


class TestTable:
    def test_its_key_and_when_records_end(self, any_assembly: Assembly):
        table = any_assembly.only("jobs", "AWS::DynamoDB::Table")
        assert table["KeySchema"] == [{"AttributeName": "job", "KeyType": "HASH"}]
        assert table["AttributeDefinitions"] == [{"AttributeName": "job", "AttributeType": "S"}]
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"


class TestModel:
    def test_every_function_knows_where(self, any_assembly: Assembly, settings_of):
        webhook = settings_of(any_assembly.stage).jobs.webhook
        aliased = 0
        for part in any_assembly.parts:
            for function in any_assembly.of_type(part, "AWS::Lambda::Function").values():
                if function.get("ImageConfig", {}).get("Command") == ["predict.handler.handler"]:
                    known = function["Environment"]["Variables"]
                    assert "RecordsTable" in json.dumps(known["MODELET_JOBS_TABLE"])
                    assert "ObjectsBucket" in json.dumps(known["MODELET_JOBS_BUCKET"])
                    assert known.get("MODELET_JOBS_WEBHOOK") == webhook
                    kept_days = settings_of(any_assembly.stage).jobs.kept_days
                    assert known["MODELET_JOBS_KEPT_DAYS"] == str(kept_days)
                    aliased += 1
        assert aliased >= 3

    def test_an_attempt_that_dies_is_made_twice_again(self, any_assembly: Assembly):
        for part in (part for part in any_assembly.parts if part.startswith("model-")):
            aliases = any_assembly.of_type(part, "AWS::Lambda::Alias")
            configured = any_assembly.of_type(part, "AWS::Lambda::EventInvokeConfig").values()
            assert len(configured) == len(aliases)
            for config in configured:
                assert config["MaximumRetryAttempts"] == 2
                assert config["MaximumEventAgeInSeconds"] == 21_600
            # Jobs are sent to the alias that was called, so it is the alias that this is about.
            assert {json.dumps(c["Qualifier"]["Fn::Select"][1]["Fn::Split"][1]) for c in configured} == {
                json.dumps({"Ref": alias}) for alias in aliases
            }

    def test_it_may_send_itself_a_job_by_the_alias_it_is_called_by(self, keys: Assembly):
        itself = {
            name: resources
            for name, action, resources in statements(keys, MODEL)
            if action == "lambda:InvokeFunction" and "Itself" in name
        }
        assert len(itself) == 3
        for name, resources in itself.items():
            alias = (
                "live" if name.startswith("Live") else "canary" if name.startswith("Version3") else "pinned"
            )
            assert f'":{alias}"' in resources
            assert "*" not in resources

    def test_only_asynchronous_endpoints_need_more_of_the_bucket(self, gpu: Assembly):
        for part, more in (("model-sound-text", True), ("model-mlp-torch", False), (MODEL, False)):
            live = [(a, r) for name, a, r in statements(gpu, part) if name.startswith("LiveRole")]
            (read,) = (prefixes(r) for a, r in live if a == "s3:GetObject")
            (written,) = (prefixes(r) for a, r in live if a == "s3:PutObject")
            assert read == {"uploads", "jobs"} | ({"endpoint/out", "endpoint/failed"} if more else set())
            assert written == {"jobs"} | ({"endpoint/in"} if more else set())

    def test_the_key_is_theirs_to_use(self, keys: Assembly):
        for part in (MODEL, "catalog"):
            assert any("kms:GenerateDataKey" in json.dumps(action) for _, action, _ in statements(keys, part))


class TestCatalog:
    def test_it_knows_where(self, prod: Assembly):
        known = prod.only("catalog", "AWS::Lambda::Function")["Environment"]["Variables"]
        assert {"MODELET_JOBS_TABLE", "MODELET_JOBS_BUCKET"} <= set(known)

    def test_it_gives_results_out_and_takes_uploads(self, prod: Assembly):
        found = {json.dumps(action): resources for _, action, resources in statements(prod, "catalog")}
        assert prefixes(found['"s3:GetObject"']) == {"jobs"}
        assert prefixes(found['"s3:PutObject"']) == {"uploads"}
        assert "RecordsTable" in found['["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]']

    def test_it_may_have_jobs_of_this_stages_models_taken_up_again(self, any_assembly: Assembly):
        (resources,) = (
            r for _, action, r in statements(any_assembly, "catalog") if action == "lambda:InvokeFunction"
        )
        assert f":function:modelet-{any_assembly.stage}-model-*" in resources

    @pytest.mark.parametrize(
        ("stage", "pattern"),
        [("prod", "modelet-prod-model-*"), ("production-eu", "modelet-production-eu-mo*")],
    )
    def test_function_names_begin_with_so_much_of_their_stacks(self, stage: str, pattern: str):
        # CloudFormation makes names of at most 64 characters, of which the stack's has 24 for sure.
        assert stage_functions(stage) == pattern


def test_it_is_there_in_every_stage_and_costs_nothing_at_rest(any_assembly: Assembly):
    kinds = {resource["Type"] for part, _, resource in any_assembly.resources() if part == "jobs"}
    assert kinds == {"AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::DynamoDB::Table"}


def test_whoever_is_told_is_told_by_tls():
    with pytest.raises(SettingsRefused, match="jobs: webhook: expected https://, got 'http:"):
        replace(PROD, jobs=Jobs(webhook="http://a.example"))


def test_jobs_are_kept_for_a_day_at_least():
    with pytest.raises(SettingsRefused, match="jobs: kept_days: expected 1 or more, got 0"):
        replace(PROD, jobs=Jobs(kept_days=0))
