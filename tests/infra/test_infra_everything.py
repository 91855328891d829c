"""What holds for every resource of every stack, whatever the settings."""

import json
import re
from graphlib import TopologicalSorter

import pytest
from support.assemblies import Assembly

# Names that two stacks, or a resource and its replacement, could collide over. An HTTP API, a budget's
# and a web ACL's metric names are labels, and an alias is named by what it is.
PHYSICAL_NAMES = {
    "FunctionName": "AWS::Lambda::Function",
    "RoleName": "AWS::IAM::Role",
    "TableName": "AWS::DynamoDB::Table",
    "TopicName": "AWS::SNS::Topic",
    "LogGroupName": "AWS::Logs::LogGroup",
    "AlarmName": "AWS::CloudWatch::Alarm",
    "DashboardName": "AWS::CloudWatch::Dashboard",
    "ApplicationName": "AWS::CodeDeploy::Application",
    "DeploymentGroupName": "AWS::CodeDeploy::DeploymentGroup",
    "DeploymentConfigName": "AWS::CodeDeploy::DeploymentConfig",
    "AliasName": "AWS::KMS::Alias",
    "BucketName": "AWS::S3::Bucket",
    "Name": "AWS::WAFv2::WebACL",
}
# The only actions that take no resource: reading alarms, X-Ray where a stage asks for it, and what endpoints
# need to pull their server and to be measured.
WITHOUT_RESOURCE = {
    "cloudwatch:DescribeAlarms",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
}


def statements(assembly: Assembly):
    for part, name, resource in assembly.resources():
        if resource["Type"] == "AWS::IAM::Policy":
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                yield f"{part}/{name}", statement
        for policy in resource.get("Properties", {}).get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield f"{part}/{name}", statement


def as_list(value: object):
    return value if isinstance(value, list) else [value]


def test_no_action_is_a_wildcard(any_assembly: Assembly):
    actions = {action for _, s in statements(any_assembly) for action in as_list(s["Action"])}
    assert not [action for action in actions if "*" in action]


def test_every_grant_names_its_resource(any_assembly: Assembly):
    for where, statement in statements(any_assembly):
        if set(as_list(statement["Action"])) <= WITHOUT_RESOURCE:
            continue
        for resource in as_list(statement["Resource"]):
            assert resource != "*", where
            # Only what is below something that is named: objects, versions, executions, a stage's models.
            *named, last = resource["Fn::Join"][1] if "Fn::Join" in resource else [resource]
            assert "*" not in json.dumps(named), where
            if "*" in json.dumps(last):
                assert re.search(r"(^|/|[/:][\w.-]+[:/@]|:|:function:modelet-\w+-model-)\*$", last), where
                of_account = re.search(r":execution:|:function:modelet-|:log-group:/aws/sagemaker/", last)
                assert of_account or any("Fn::" in json.dumps(part) for part in named), where


def test_no_resource_has_a_name_of_ours(any_assembly: Assembly):
    named = [
        f"{part}/{name}: {key}"
        for part, name, resource in any_assembly.resources()
        for key, kind in PHYSICAL_NAMES.items()
        if resource["Type"] == kind and key in resource.get("Properties", {})
        if not isinstance(resource["Properties"][key], dict)
    ]
    assert named == []


def references(value: object):
    """The logical ids that a part of a template names."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            yield name
        case dict():
            for item in value.values():
                yield from references(item)
        case list():
            for item in value:
                yield from references(item)


def test_no_resources_wait_for_each_other(any_assembly: Assembly):
    for part in any_assembly.parts:
        resources = any_assembly.template(part)["Resources"]
        waits = {
            name: ({*references(resource), *as_list(resource.get("DependsOn", []))}) & set(resources)
            for name, resource in resources.items()
        }
        # Raises CycleError, which names them.
        assert len(list(TopologicalSorter(waits).static_order())) == len(resources)


def test_log_groups_forget(any_assembly: Assembly, settings_of):
    days = settings_of(any_assembly.stage).log_retention_days
    kept = {
        resource["Properties"].get("RetentionInDays")
        for _, _, resource in any_assembly.resources()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }
    assert kept == {days}


def test_every_function_has_a_log_group_and_says_what_it_needs(any_assembly: Assembly):
    for part, name, resource in any_assembly.resources():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            assert {"MemorySize", "Timeout", "LoggingConfig", "Architectures"} <= set(properties), (
                part,
                name,
            )
            assert "Ref" in properties["LoggingConfig"]["LogGroup"]


def test_environment_variables_are_short_and_their_names_are_not(any_assembly: Assembly):
    # Source: 4 KB in all, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html;
    # names of one character are refused.
    for _, _, resource in any_assembly.resources():
        if resource["Type"] == "AWS::Lambda::Function":
            variables = resource["Properties"].get("Environment", {}).get("Variables", {})
            assert len(json.dumps(variables)) < 4096
            assert all(len(name) >= 2 for name in variables)


def test_stacks_are_tagged_and_protected_as_the_stage_says(any_assembly: Assembly, settings_of):
    settings = settings_of(any_assembly.stage)
    manifest = json.loads((any_assembly.folder / "manifest.json").read_text())
    stacks = [a for a in manifest["artifacts"].values() if a["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == len(any_assembly.parts)
    for stack in stacks:
        assert stack["properties"]["tags"] == {"modelet:stage": settings.name, **settings.tags}
        assert stack["properties"].get("terminationProtection", False) is settings.termination_protection


def test_no_lambda_behind_the_scenes(any_assembly: Assembly):
    # Custom resources would bring functions, roles and permissions of their own.
    kinds = {resource["Type"] for _, _, resource in any_assembly.resources()}
    assert not [kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::Custom"))]


def test_the_front_door_comes_last_and_the_shared_stack_first(any_assembly: Assembly):
    artifacts = json.loads((any_assembly.folder / "manifest.json").read_text())["artifacts"]
    name = f"modelet-{any_assembly.stage}"

    def needs(part: str) -> set[str]:
        stacks = {a for a in artifacts[f"{name}-{part}"]["dependencies"] if not a.endswith(".assets")}
        return {stack.removeprefix(f"{name}-") for stack in stacks}

    models = {part for part in any_assembly.parts if part.startswith("model-")}
    doors = {part for part in any_assembly.parts if part.startswith("front-door-")}
    assert needs("shared") == set()
    assert set().union(*(needs(door) for door in doors)) == {"shared", "catalog", *models}
    endpoints = {part for part in any_assembly.parts if part.startswith("endpoint-")}
    for part in models:
        assert needs(part) <= {"shared", "jobs", "batch", *endpoints}
    assert needs("catalog") <= {"shared", "jobs"}
    for part in {"jobs", "batch", *endpoints}:
        assert needs(part) <= {"shared"}
    if "overview" in any_assembly.parts:
        assert needs("overview") >= doors


@pytest.mark.parametrize("part", ["shared", "model-file-type", "catalog", "front-door-0"])
def test_assets_are_found_from_the_assembly_wherever_it_lies(keys: Assembly, part: str):
    sources = [asset["source"] for asset in (*keys.images(part).values(), *keys.archives(part).values())]
    for source in sources:
        path = source.get("directory") or source["path"]
        assert not path.startswith(("/", ".."))
        assert (keys.folder / path).is_dir()


def test_nothing_of_this_machine_is_in_a_template(any_assembly: Assembly):
    for part in any_assembly.parts:
        text = json.dumps(any_assembly.template(part))
        assert not re.search(r"/(tmp|home|root|work)/", text)


class TestEncryption:
    def test_with_the_stages_own_key(self, keys: Assembly):
        for part, name, resource in keys.resources():
            properties = resource.get("Properties", {})
            match resource["Type"]:
                case "AWS::Logs::LogGroup":
                    assert "KmsKeyId" in properties, (part, name)
                case "AWS::Lambda::Function":
                    assert "KmsKeyArn" in properties, (part, name)
                case "AWS::SNS::Topic" | "AWS::SQS::Queue":
                    assert "KmsMasterKeyId" in properties, (part, name)
                case "AWS::S3::Bucket":
                    assert '"aws:kms"' in json.dumps(properties["BucketEncryption"])
                case "AWS::DynamoDB::Table":
                    assert properties["SSESpecification"]["SSEType"] == "KMS"
        assert keys.only("shared", "AWS::KMS::Key")["EnableKeyRotation"] is True

    def test_alarms_may_use_the_key(self, keys: Assembly):
        policy = keys.only("shared", "AWS::KMS::Key")["KeyPolicy"]["Statement"]
        services = {json.dumps(s["Principal"]) for s in policy}
        assert any("cloudwatch.amazonaws.com" in service for service in services)
        assert any("logs." in service for service in services)
        assert any("events.amazonaws.com" in service for service in services)

    def test_every_function_may_decrypt_its_environment(self, keys: Assembly):
        roles = {
            json.dumps([part, policy["Roles"][0]])
            for part in keys.parts
            for policy in keys.of_type(part, "AWS::IAM::Policy").values()
            if "kms:Decrypt" in json.dumps(policy)
        }
        functions = {
            json.dumps([part, {"Ref": properties["Role"]["Fn::GetAtt"][0]}])
            for part in keys.parts
            for properties in keys.of_type(part, "AWS::Lambda::Function").values()
        }
        assert functions <= roles

    def test_aws_keys_otherwise(self, prod: Assembly):
        kinds = {resource["Type"] for _, _, resource in prod.resources()}
        assert "AWS::KMS::Key" not in kinds

    def test_messages_travel_by_tls_only(self, prod: Assembly):
        (statement,) = prod.only("shared", "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_images_are_scanned_when_pushed(prod: Assembly, dev: Assembly):
    rules = prod.only("shared", "AWS::ECR::RegistryScanningConfiguration")["Rules"]
    assert rules[0]["ScanFrequency"] == "SCAN_ON_PUSH"
    assert rules[0]["RepositoryFilters"][0]["Filter"] == "cdk-*-container-assets-*"
    # The registry has one set of rules, so one stage sets them.
    assert not dev.of_type("shared", "AWS::ECR::RegistryScanningConfiguration")


def test_data_outlives_prod(keys: Assembly, dev: Assembly):
    for _, _, resource in keys.resources():
        if resource["Type"] in (
            "AWS::Logs::LogGroup",
            "AWS::DynamoDB::Table",
            "AWS::KMS::Key",
            "AWS::S3::Bucket",
        ):
            assert resource["DeletionPolicy"] == "Retain"
    for _, _, resource in dev.resources():
        # Batch functions' versions of before are called by executions that began with them, and cost nothing.
        if resource["Type"] != "AWS::Lambda::Version":
            assert resource.get("DeletionPolicy") in (None, "Delete")


def test_a_budget(keys: Assembly):
    budget = keys.only("shared", "AWS::Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 50, "Unit": "USD"}
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": ["user:modelet:stage$keys"]}
    assert [n["Notification"]["NotificationType"] for n in budget["NotificationsWithSubscribers"]] == [
        "ACTUAL",
        "FORECASTED",
    ]


def test_a_stage_for_work_has_nothing_that_is_billed_while_nobody_calls(dev: Assembly):
    billed = {
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::KMS::Key",
        "AWS::WAFv2::WebACL",
        "AWS::SageMaker::Endpoint",
    }
    assert not billed & {resource["Type"] for _, _, resource in dev.resources()}
    assert not [r for _, _, r in dev.resources() if "SnapStart" in r.get("Properties", {})]
    # What is stored costs, and nothing is before somebody has files inferred.
    for _, _, table in dev.resources():
        if table["Type"] == "AWS::DynamoDB::Table":
            assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
            recovery = table["Properties"]["PointInTimeRecoverySpecification"]
            assert recovery == {"PointInTimeRecoveryEnabled": False}
