"""A model's stack: what its manifest asks for, and nothing it may do beyond that."""

import json

from support.assemblies import Assembly

DEFAULTS, OWN = "model-file-type", "model-digit-image"


def function(assembly: Assembly, part: str):
    return next(
        properties
        for properties in assembly.of_type(part, "AWS::Lambda::Function").values()
        if properties.get("PackageType") == "Image"
    )


def ids(assembly: Assembly, part: str, kind: str, prefix: str = ""):
    return [name for name in assembly.of_type(part, kind) if name.startswith(prefix)]


def allow(action: object, resource: object):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def imported(assembly: Assembly, of: str, attribute: str):
    """What the stack of jobs exports."""
    (name,) = (
        output["Export"]["Name"]
        for output in assembly.template("jobs")["Outputs"].values()
        if of in output["Export"]["Name"] and (attribute in output["Export"]["Name"])
    )
    return {"Fn::ImportValue": name}


class TestFunction:
    def test_defaults(self, prod: Assembly):
        properties = function(prod, DEFAULTS)
        assert properties["Architectures"] == ["x86_64"]
        assert properties["MemorySize"] == 1769
        assert properties["Timeout"] == 30
        assert properties["EphemeralStorage"] == {"Size": 512}
        assert properties["SnapStart"] == {"ApplyOn": "PublishedVersions"}
        assert properties["ImageConfig"] == {"Command": ["predict.handler.handler"]}
        assert "ReservedConcurrentExecutions" not in properties
        assert properties["LoggingConfig"]["LogFormat"] == "JSON"

    def test_what_the_manifest_says(self, prod: Assembly):
        properties = function(prod, OWN)
        assert properties["Architectures"] == ["arm64"]
        assert (properties["MemorySize"], properties["Timeout"]) == (3538, 10)
        assert properties["EphemeralStorage"] == {"Size": 2048}
        assert properties["ReservedConcurrentExecutions"] == 20
        assert "SnapStart" not in properties
        alias = prod.only(OWN, "AWS::Lambda::Alias")
        assert alias["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}

    def test_a_stage_may_refuse_snap_start(self, dev: Assembly):
        assert "SnapStart" not in function(dev, DEFAULTS)

    def test_the_image_is_named_by_its_digest(self, prod: Assembly):
        (digest,) = prod.images(DEFAULTS)
        assert json.dumps(function(prod, DEFAULTS)["Code"]).count(f":{digest}") == 1

    def test_the_live_alias_is_at_a_version_of_its_own(self, prod: Assembly):
        alias = prod.only(DEFAULTS, "AWS::Lambda::Alias")
        (version,) = ids(prod, DEFAULTS, "AWS::Lambda::Version")
        assert alias["Name"] == "live"
        assert alias["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}

    def test_the_version_before_is_deleted(self, prod: Assembly):
        # A snapshot is paid for by the second as long as its version exists.
        (version,) = (
            r for part, _, r in prod.resources() if part == DEFAULTS and r["Type"] == "AWS::Lambda::Version"
        )
        assert version["DeletionPolicy"] == "Delete"


class TestPermissions:
    def test_the_function_may_write_its_own_log_and_take_jobs(self, prod: Assembly):
        (role,) = ids(prod, DEFAULTS, "AWS::IAM::Role", "Live")
        (log_group,) = ids(prod, DEFAULTS, "AWS::Logs::LogGroup", "Live")
        (live,) = ids(prod, DEFAULTS, "AWS::Lambda::Function", "Live")
        assert "ManagedPolicyArns" not in prod.of_type(DEFAULTS, "AWS::IAM::Role")[role]
        policies = [
            policy
            for policy in prod.of_type(DEFAULTS, "AWS::IAM::Policy").values()
            if policy["Roles"] == [{"Ref": role}]
        ]
        bucket, table = imported(prod, "ObjectsBucket", "Arn"), imported(prod, "RecordsTable", "Arn")

        def objects(*prefixes: str):
            found = [{"Fn::Join": ["", [bucket, f"/{prefix}*"]]} for prefix in prefixes]
            return found if len(found) > 1 else found[0]

        assert [policy["PolicyDocument"]["Statement"] for policy in policies] == [
            [
                allow(["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": [log_group, "Arn"]}),
                allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], table),
                allow("s3:GetObject", objects("jobs/", "uploads/")),
                allow("s3:PutObject", objects("jobs/")),
                allow("s3:ListBucket", bucket),
            ],
            # Itself, by the alias that it was called by.
            [allow("lambda:InvokeFunction", {"Fn::Join": ["", [{"Fn::GetAtt": [live, "Arn"]}, ":live"]]})],
        ]

    def test_the_smoke_test_may_call_the_new_version_and_report(self, prod: Assembly):
        (version,) = ids(prod, DEFAULTS, "AWS::Lambda::Version")
        (policy,) = (
            policy
            for name, policy in prod.of_type(DEFAULTS, "AWS::IAM::Policy").items()
            if name.startswith("SmokeTest")
        )
        statements = {json.dumps(s["Action"]): s for s in policy["PolicyDocument"]["Statement"]}
        assert statements['"lambda:InvokeFunction"']["Resource"] == {"Ref": version}
        assert set(statements) == {
            '"lambda:InvokeFunction"',
            '"codedeploy:PutLifecycleEventHookExecutionStatus"',
            '["logs:CreateLogStream", "logs:PutLogEvents"]',
        }

    def test_code_deploy_may_move_this_alias(self, prod: Assembly):
        (policy,) = (
            policy
            for name, policy in prod.of_type(DEFAULTS, "AWS::IAM::Policy").items()
            if name.startswith("Canary")
        )
        (move,) = (s for s in policy["PolicyDocument"]["Statement"] if "lambda:UpdateAlias" in s["Action"])
        (live,) = ids(prod, DEFAULTS, "AWS::Lambda::Function", "Live")
        arn = {"Fn::GetAtt": [live, "Arn"]}
        assert move["Resource"] == [arn, {"Fn::Join": ["", [arn, ":live"]]}]

    def test_the_api_may_call_the_alias_only(self, prod: Assembly):
        permission = prod.only(DEFAULTS, "AWS::Lambda::Permission")
        (alias,) = ids(prod, DEFAULTS, "AWS::Lambda::Alias")
        assert permission["FunctionName"] == {"Ref": alias}
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert "execute-api" in json.dumps(permission["SourceArn"])


class TestCanary:
    def test_ten_percent_for_five_minutes_by_default(self, prod: Assembly):
        group = prod.only(DEFAULTS, "AWS::CodeDeploy::DeploymentGroup")
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"

    def test_what_the_manifest_says(self, prod: Assembly):
        config = prod.only(OWN, "AWS::CodeDeploy::DeploymentConfig")
        assert config["TrafficRoutingConfig"] == {
            "Type": "TimeBasedCanary",
            "TimeBasedCanary": {"CanaryPercentage": 25, "CanaryInterval": 7},
        }

    def test_every_alarm_rolls_back(self, prod: Assembly):
        group = prod.only(DEFAULTS, "AWS::CodeDeploy::DeploymentGroup")
        assert group["AutoRollbackConfiguration"] == {
            "Enabled": True,
            "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"],
        }
        alarms = {alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]}
        assert alarms == set(prod.of_type(DEFAULTS, "AWS::CloudWatch::Alarm"))

    def test_the_alias_is_moved_by_code_deploy_after_the_smoke_test(self, prod: Assembly):
        (alias,) = ids(prod, DEFAULTS, "AWS::Lambda::Alias")
        (test,) = ids(prod, DEFAULTS, "AWS::Lambda::Function", "SmokeTest")
        resource = prod.template(DEFAULTS)["Resources"][alias]
        update = resource["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert update["BeforeAllowTrafficHook"] == {"Ref": test}
        # CloudFormation sees no dependency in an update policy.
        assert test in resource["DependsOn"]
        for role in ("SmokeTestRoleDefaultPolicy", "CanaryRoleDefaultPolicy"):
            assert any(name.startswith(role) for name in resource["DependsOn"])

    def test_the_smoke_test_has_the_golden_inputs_of_its_model(self, prod: Assembly):
        (archive,) = prod.archives(DEFAULTS).values()
        folder = prod.folder / archive["source"]["path"]
        assert json.loads((folder / "golden.json").read_text()) == {"of": "file_type", "version": 2}
        assert (folder / "smoke" / "handler.py").is_file()
        (test,) = ids(prod, DEFAULTS, "AWS::Lambda::Function", "SmokeTest")
        variables = prod.of_type(DEFAULTS, "AWS::Lambda::Function")[test]["Environment"]["Variables"]
        (version,) = ids(prod, DEFAULTS, "AWS::Lambda::Version")
        assert variables == {"MODELET_MODEL": "file_type", "MODELET_TARGET": {"Ref": version}}

    def test_a_stage_may_do_without(self, dev: Assembly):
        assert "UpdatePolicy" not in next(
            r for p, _, r in dev.resources() if p == DEFAULTS and r["Type"] == "AWS::Lambda::Alias"
        )
        assert not dev.of_type(DEFAULTS, "AWS::CodeDeploy::DeploymentGroup")
        assert not dev.of_type(DEFAULTS, "AWS::CloudWatch::Alarm")
        assert not dev.of_type(DEFAULTS, "AWS::CloudWatch::Dashboard")


class TestAlarms:
    def thresholds(self, assembly: Assembly, part: str):
        return {
            alarm["AlarmDescription"].partition(": ")[2].partition(",")[0]: alarm["Threshold"]
            for alarm in assembly.of_type(part, "AWS::CloudWatch::Alarm").values()
        }

    def test_defaults(self, prod: Assembly):
        assert self.thresholds(prod, DEFAULTS) == {
            "percent of invocations that crashed or timed out": 1,
            "percent of requests answered with a 5xx": 1,
            "99th percentile of the duration": 24_000,  # 80% of 30 s
            "requests refused for want of concurrency": 0,
        }

    def test_what_the_manifest_says(self, prod: Assembly):
        assert sorted(self.thresholds(prod, OWN).values()) == [0, 0.5, 0.5, 900]

    def test_they_tell_the_topic_and_are_quiet_without_requests(self, prod: Assembly):
        (topic,) = prod.of_type("shared", "AWS::SNS::Topic")
        for alarm in prod.of_type(DEFAULTS, "AWS::CloudWatch::Alarm").values():
            (action,) = alarm["AlarmActions"]
            assert topic in action["Fn::ImportValue"]
            assert alarm["TreatMissingData"] == "notBreaching"
            assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (2, 3)


class TestPinnedVersions:
    def test_an_older_version_has_its_function_and_routes(self, keys: Assembly):
        (old,) = ids(keys, DEFAULTS, "AWS::Lambda::Function", "Version1")
        properties = keys.of_type(DEFAULTS, "AWS::Lambda::Function")[old]
        assert properties["Description"].startswith("file_type version 1")
        assert len(keys.images(DEFAULTS)) == 3
        (alias,) = ids(keys, DEFAULTS, "AWS::Lambda::Alias", "Version1")
        integrations = keys.of_type(DEFAULTS, "AWS::ApiGatewayV2::Integration")
        (of_old,) = (name for name, i in integrations.items() if i["IntegrationUri"] == {"Ref": alias})
        paths = {
            route["RouteKey"]
            for route in keys.of_type(DEFAULTS, "AWS::ApiGatewayV2::Route").values()
            if of_old in json.dumps(route["Target"])
        }
        assert "POST /models/file_type/versions/1/{proxy+}" in paths
        assert all("/versions/1" in path for path in paths)

    def test_they_are_not_there_unless_asked_for(self, prod: Assembly):
        assert len(prod.images(DEFAULTS)) == 1
