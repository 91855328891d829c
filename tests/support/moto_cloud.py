"""Stacks in moto's CloudFormation, as far as moto goes; what it does not know is named."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentConfig",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::ECR::RegistryScanningConfiguration",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Logs::MetricFilter",
    "AWS::Route53::RecordSet",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}
ORDER = (
    "shared",
    "jobs",
    "batch",
    "endpoint-vision",
    "model-digit-image",
    "model-file-type",
    "model-image-embedding",
    "model-image-label",
    "model-mlp-torch",
    "model-sound-text",
    "model-tabular-risk",
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
    return {"Mappings": template.get("Mappings", {}), "Resources": resources, "Outputs": outputs}


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


def deploy(assembly: Assembly) -> dict[str, Counter[str]]:
    """Deploy the stacks in their order; gives how many resources of each type every stack made."""
    made = {}
    publish_archives(assembly)
    client = boto3.client("cloudformation")
    for part in (part for part in ORDER if part in assembly.parts):
        name = f"modelet-{assembly.stage}-{part}"
        template = without_unknown(assembly.template(part))
        if not template["Resources"]:
            continue
        client.create_stack(
            StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
        )
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        resources = client.describe_stack_resources(StackName=name)["StackResources"]
        made[part] = Counter(resource["ResourceType"] for resource in resources)
    return made


@contextmanager
def account() -> Iterator[None]:
    """An account with nothing in it; moto has one for all that are open at a time."""
    with pytest.MonkeyPatch.context() as patch, mock_aws(config={"lambda": {"use_docker": False}}):
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        yield


FUNCTION = {
    "AWS::IAM::Policy": 1,
    "AWS::IAM::Role": 1,
    "AWS::Lambda::Function": 1,
    "AWS::Logs::LogGroup": 1,
}
MOVED_BY_CODE_DEPLOY = {"IAM_Role": 1, "IAM_Policy": 1}


def of(functions: int, **others: int) -> Counter[str]:
    """A function is four resources."""
    counted = Counter({kind: number * functions for kind, number in FUNCTION.items()})
    return counted + Counter({f"AWS::{kind.replace('_', '::')}": n for kind, n in others.items()})


def times(number: int, counted: Counter[str]) -> Counter[str]:
    """The same so many times."""
    return Counter({kind: number * each for kind, each in counted.items()})


# A version that takes files: its batch function, queue, rule and state machine.
LANE = of(
    1,
    Lambda_Version=1,
    Lambda_EventSourceMapping=1,
    SQS_Queue=2,
    Events_Rule=1,
    StepFunctions_StateMachine=1,
    IAM_Role=1,
    IAM_Policy=1,
)
# What a version may do with itself.
ITSELF = Counter({"AWS::IAM::Policy": 1})
JOBS = Counter({"AWS::S3::Bucket": 1, "AWS::DynamoDB::Table": 1})
BATCH = Counter({"AWS::S3::Bucket": 2, "AWS::DynamoDB::Table": 1})
