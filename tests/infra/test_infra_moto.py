"""The templates deploy into moto's CloudFormation, as far as moto goes; what it does not know is named."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from moto import mock_aws
from support.assemblies import Assembly

ACCOUNT, REGION = "123456789012", "us-east-1"
# moto 5.2 has no CloudFormation resource for these; their templates are held by the snapshots.
UNKNOWN_TO_MOTO = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentConfig",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::ECR::RegistryScanningConfiguration",
    "AWS::Lambda::Alias",
    "AWS::Route53::RecordSet",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
}
ORDER = (
    "shared",
    "model-digit-image",
    "model-file-type",
    "catalog",
    "front-door-0",
    "front-door-1",
    "overview",
)


def without_unknown(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template without what moto does not know.

    A reference to an alias becomes one to its function, and so one to a version, which moto takes for an
    object; any other reference to such a resource becomes its logical id.
    """
    instead = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Alias":
            instead[name] = resource["Properties"]["FunctionName"]
        if resource["Type"] == "AWS::Lambda::Version":
            instead[name] = {"Fn::GetAtt": [resource["Properties"]["FunctionName"]["Ref"], "Arn"]}
    gone = {name for name, r in template["Resources"].items() if r["Type"] in UNKNOWN_TO_MOTO}

    def mend(value: Any) -> Any:
        match value:
            case {"Ref": str(name)} if name in instead:
                return instead[name]
            case {"Ref": str(name)} if name in gone:
                return name
            case {"Fn::GetAtt": [str(name), attribute]} if name in gone:
                return f"{name}.{attribute}"
            case dict():
                return {
                    key: mend(item) for key, item in value.items() if key not in ("UpdatePolicy", "DependsOn")
                }
            case list():
                return [mend(item) for item in value]
        return value

    resources = {name: mend(r) for name, r in template["Resources"].items() if name not in gone}
    outputs = {name: mend(output) for name, output in template.get("Outputs", {}).items()}
    return {"Resources": resources, "Outputs": outputs}


def publish_archives(assembly: Assembly) -> None:
    """What `cdk deploy` uploads before it deploys."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}")
    for part in assembly.parts:
        for digest, asset in assembly.archives(part).items():
            buffer = io.BytesIO()
            folder = assembly.folder / asset["source"]["path"]
            with zipfile.ZipFile(buffer, "w") as archive:
                for path in sorted(folder.rglob("*.py")):
                    archive.write(path, path.relative_to(folder))
            client.put_object(
                Bucket=f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}", Key=f"{digest}.zip", Body=buffer.getvalue()
            )


@pytest.fixture(scope="module")
def deployed(keys: Assembly) -> Iterator[dict[str, Counter[str]]]:
    """How many resources of each type every stack made."""
    made = {}
    with pytest.MonkeyPatch.context() as patch, mock_aws(config={"lambda": {"use_docker": False}}):
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        publish_archives(keys)
        client = boto3.client("cloudformation")
        for part in ORDER:
            name = f"modelet-keys-{part}"
            template = without_unknown(keys.template(part))
            if not template["Resources"]:
                continue
            client.create_stack(
                StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
            )
            (stack,) = client.describe_stacks(StackName=name)["Stacks"]
            assert stack["StackStatus"] == "CREATE_COMPLETE"
            resources = client.describe_stack_resources(StackName=name)["StackResources"]
            made[part] = Counter(resource["ResourceType"] for resource in resources)
        yield made


FUNCTION = {
    "AWS::IAM::Policy": 1,
    "AWS::IAM::Role": 1,
    "AWS::Lambda::Function": 1,
    "AWS::Logs::LogGroup": 1,
}


def of(functions: int, **others: int) -> Counter[str]:
    """A function is four resources."""
    counted = Counter({kind: number * functions for kind, number in FUNCTION.items()})
    return counted + Counter({f"AWS::{kind.replace('_', '::')}": n for kind, n in others.items()})


def test_what_was_created(deployed: dict[str, Counter[str]]):
    code_deploy = {"IAM_Role": 1, "IAM_Policy": 1}
    assert deployed == {
        "shared": of(1, Lambda_Permission=2, DynamoDB_Table=2, KMS_Key=1, SNS_Topic=1),
        # The model and its smoke test; file_type has a canary and a pinned version.
        "model-digit-image": of(2, Lambda_Version=1, Lambda_Permission=1, **code_deploy),
        "model-file-type": of(4, Lambda_Version=3, Lambda_Permission=3, **code_deploy),
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
        (policy,) = client.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        document = client.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
        assert document["Statement"]


def test_the_tables_of_the_authorizer(deployed: dict[str, Counter[str]]):
    client = boto3.client("dynamodb", region_name=REGION)
    schemas = [
        [key["AttributeName"] for key in client.describe_table(TableName=table)["Table"]["KeySchema"]]
        for table in client.list_tables()["TableNames"]
    ]
    assert sorted(schemas) == [["key_id"], ["key_id", "day"]]
