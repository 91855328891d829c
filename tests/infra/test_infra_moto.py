"""The templates deploy into moto's CloudFormation, as far as moto goes; what it does not know is named."""

import json
from collections import Counter
from collections.abc import Iterator

import boto3
import pytest
from support.assemblies import Assembly
from support.moto_cloud import (
    BATCH,
    ITSELF,
    JOBS,
    LANE,
    MOVED_BY_CODE_DEPLOY,
    REGION,
    UNKNOWN_TO_MOTO,
    account,
    deploy,
    of,
    times,
)


@pytest.fixture(scope="module")
def deployed(keys: Assembly) -> Iterator[dict[str, Counter[str]]]:
    """The variant with the most in it, in an account that the tests look into."""
    with account():
        yield deploy(keys)


def test_what_was_created(deployed: dict[str, Counter[str]]):
    three = of(4, Lambda_Version=3, Lambda_Permission=3, **MOVED_BY_CODE_DEPLOY) + times(3, ITSELF)
    assert deployed == {
        "shared": of(1, Lambda_Permission=2, DynamoDB_Table=2, KMS_Key=1, SNS_Topic=1),
        "jobs": JOBS,
        # The model and its smoke test; file_type has a canary and a pinned version.
        "model-digit-image": of(2, Lambda_Version=1, Lambda_Permission=1, **MOVED_BY_CODE_DEPLOY) + ITSELF,
        "model-file-type": three,
        "model-tabular-risk": three + times(3, LANE),
        "batch": BATCH,
        "catalog": of(1, Lambda_Permission=2),
        "front-door-0": Counter({"AWS::Logs::LogGroup": 1}),
        "front-door-1": Counter({"AWS::Logs::LogGroup": 1}),
    }


def test_nothing_else_was_left_out(keys: Assembly, deployed: dict[str, Counter[str]]):
    for part, made in deployed.items():
        wanted = Counter(r["Type"] for r in keys.template(part)["Resources"].values())
        missing = wanted - made
        assert set(missing) <= UNKNOWN_TO_MOTO, part


def test_the_functions_are_as_the_manifests_say(deployed: dict[str, Counter[str]]):
    # moto drops the architecture, the key and that it is an image.
    functions = {
        function["Description"]: (function["MemorySize"], function["Timeout"])
        for function in boto3.client("lambda", region_name=REGION).list_functions()["Functions"]
    }
    assert functions["digit_image version 1: a model of a test"] == (3538, 10)
    assert functions["file_type version 1: a model of a test"] == (1769, 30)
    assert functions["file_type version 2: a model of a test"] == (1769, 30)


def test_roles_have_the_policies_that_iam_takes(deployed: dict[str, Counter[str]]):
    client = boto3.client("iam", region_name=REGION)
    for role in client.list_roles()["Roles"]:
        policies = client.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        assert policies
        for policy in policies:
            found = client.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)
            assert found["PolicyDocument"]["Statement"]


def test_the_tables_of_the_authorizer_of_jobs_and_of_runs(deployed: dict[str, Counter[str]]):
    client = boto3.client("dynamodb", region_name=REGION)
    schemas = [
        [key["AttributeName"] for key in client.describe_table(TableName=table)["Table"]["KeySchema"]]
        for table in client.list_tables()["TableNames"]
    ]
    assert sorted(schemas) == [["job"], ["key_id"], ["key_id", "day"], ["run", "item"]]


def test_the_state_machine_has_the_name_that_the_function_was_told(deployed):
    client = boto3.client("stepfunctions", region_name=REGION)
    names = {machine["name"] for machine in client.list_state_machines()["stateMachines"]}
    assert names == {f"modelet-keys-tabular_risk-{part}" for part in ("live", "1", "3")}


def test_a_file_is_announced_in_the_queue_of_the_version_that_its_key_names(deployed):
    outputs = {
        output["OutputKey"]: output["OutputValue"]
        for stack in boto3.client("cloudformation", region_name=REGION).describe_stacks()["Stacks"]
        for output in stack.get("Outputs", ())
        if stack["StackName"].endswith(("-batch", "-tabular-risk"))
    }
    s3, sqs, functions = (boto3.client(service, region_name=REGION) for service in ("s3", "sqs", "lambda"))
    # moto's mappings empty the queues at once, without calling anything.
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    # moto's CloudFormation drops the notifications of a bucket.
    s3.put_bucket_notification_configuration(
        Bucket=outputs["BatchInput"], NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    for key in ("tabular_risk/a b.csv", "tabular_risk@3/b.csv", "tabular_risk@canary/c.csv", "other/d.csv"):
        s3.put_object(Bucket=outputs["BatchInput"], Key=key, Body=b"")

    def announced(queue: str):
        found = sqs.receive_message(QueueUrl=outputs[queue], MaxNumberOfMessages=10).get("Messages", ())
        return sorted(json.loads(message["Body"])["detail"]["object"]["key"] for message in found)

    assert announced("BatchQueue") == ["tabular_risk/a b.csv"]
    assert announced("BatchQueue3") == ["tabular_risk@3/b.csv", "tabular_risk@canary/c.csv"]
    assert announced("BatchQueue1") == []
