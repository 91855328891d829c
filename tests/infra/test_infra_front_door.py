"""The front doors: limits, logs, who may call, domains, dashboards, alarms."""

import json

import pytest
from support.assemblies import Assembly
from support.manifests import manifest, specs

from infra.constructs.http_stage import ACCESS_LOG_FORMAT
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.statistics import Statistics
from modelet_runtime.telemetry import NAMESPACE, ColdStart, Telemetry

DOOR = "front-door-0"


class TestHttpStage:
    def test_it_is_the_default_stage_and_follows_the_routes(self, prod: Assembly):
        stage = prod.only(DOOR, "AWS::ApiGatewayV2::Stage")
        assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)

    def test_throttling(self, prod: Assembly):
        limits = prod.only(DOOR, "AWS::ApiGatewayV2::Stage")["DefaultRouteSettings"]
        assert limits == {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}

    def test_throttling_of_one_model(self, keys: Assembly):
        with_settings = [
            stage["RouteSettings"]
            for door in ("front-door-0", "front-door-1")
            for stage in keys.of_type(door, "AWS::ApiGatewayV2::Stage").values()
            if "RouteSettings" in stage
        ]
        (settings,) = with_settings  # the model is behind one of the two doors
        routes = {
            route["RouteKey"]
            for route in keys.of_type("model-file-type", "AWS::ApiGatewayV2::Route").values()
        }
        assert set(settings) == routes
        assert set(map(json.dumps, settings.values())) == {
            '{"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10}'
        }

    def test_the_access_log_is_json_and_says_who_called_what(self, prod: Assembly):
        log = prod.only(DOOR, "AWS::ApiGatewayV2::Stage")["AccessLogSettings"]
        (group,) = prod.of_type(DOOR, "AWS::Logs::LogGroup")
        assert log["DestinationArn"] == {"Fn::GetAtt": [group, "Arn"]}
        fields = json.loads(log["Format"])
        assert fields["route"] == "$context.routeKey"
        assert {"iam_caller", "token_subject", "api_key", "status", "latency_ms"} <= set(fields)
        # Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
        assert len(ACCESS_LOG_FORMAT) < 3 * 1024

    def test_the_url_is_an_output(self, prod: Assembly):
        assert "execute-api" in json.dumps(prod.template(DOOR)["Outputs"]["Url"])


class TestWhoMayCall:
    def test_json_web_tokens(self, tokens: Assembly):
        authorizer = tokens.only("shared", "AWS::ApiGatewayV2::Authorizer")
        assert authorizer["JwtConfiguration"] == {
            "Audience": ["models"],
            "Issuer": "https://login.example.com",
        }
        for route in tokens.of_type("model-file-type", "AWS::ApiGatewayV2::Route").values():
            assert route["AuthorizationScopes"] == ["infer"]

    def test_an_api_has_one_authorizer_however_many_models(self, tokens: Assembly):
        # Ten is its limit, and a construct of its own for each stack would make one each.
        kinds = [r["Type"] for _, _, r in tokens.resources()]
        assert kinds.count("AWS::ApiGatewayV2::Authorizer") == 1

    def test_api_keys_are_decided_for_each_route(self, keys: Assembly):
        for authorizer in keys.of_type("shared", "AWS::ApiGatewayV2::Authorizer").values():
            assert authorizer["AuthorizerType"] == "REQUEST"
            assert authorizer["EnableSimpleResponses"] is True
            assert authorizer["AuthorizerResultTtlInSeconds"] == 60
            # Without the route, what a key may do with one model would open all for a minute.
            assert authorizer["IdentitySource"] == ["$request.header.x-api-key", "$context.routeKey"]

    def test_only_the_doors_may_call_the_authorizer(self, keys: Assembly):
        permissions = keys.of_type("shared", "AWS::Lambda::Permission").values()
        assert len(permissions) == 2
        for permission in permissions:
            assert "/authorizers/" in json.dumps(permission["SourceArn"])

    def test_the_authorizer_reads_keys_and_counts_requests(self, keys: Assembly):
        granted = {
            json.dumps(statement["Action"]): statement["Resource"]
            for policy in keys.of_type("shared", "AWS::IAM::Policy").values()
            for statement in policy["PolicyDocument"]["Statement"]
        }
        assert granted['"dynamodb:GetItem"'] != granted['"dynamodb:UpdateItem"']
        assert not [action for action in granted if "Scan" in action or "PutItem" in action]

    def test_counts_are_forgotten_and_keys_can_be_restored(self, keys: Assembly):
        tables = keys.of_type("shared", "AWS::DynamoDB::Table")
        for name, table in tables.items():
            assert table["BillingMode"] == "PAY_PER_REQUEST"
            assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
            assert ("TimeToLiveSpecification" in table) == ("Usage" in name)


class TestCorsAndDomain:
    def test_web_pages(self, keys: Assembly):
        for api in keys.of_type("shared", "AWS::ApiGatewayV2::Api").values():
            cors = api["CorsConfiguration"]
            assert cors["AllowOrigins"] == ["https://app.example.com"]
            assert cors["AllowMethods"] == ["GET", "POST", "PUT"]
            assert "inference-header-content-length" in cors["ExposeHeaders"]

    def test_none_by_default(self, prod: Assembly):
        assert "CorsConfiguration" not in prod.only("shared", "AWS::ApiGatewayV2::Api")

    @pytest.mark.parametrize("number", [0, 1])
    def test_each_door_has_its_name_and_no_other(self, keys: Assembly, number: int):
        door, name = f"front-door-{number}", f"{number}.models.example.com"
        domain = keys.only(door, "AWS::ApiGatewayV2::DomainName")
        assert domain["DomainName"] == name
        assert domain["DomainNameConfigurations"][0]["SecurityPolicy"] == "TLS_1_2"
        records = keys.of_type(door, "AWS::Route53::RecordSet").values()
        assert {(r["Name"], r["Type"]) for r in records} == {(f"{name}.", "A"), (f"{name}.", "AAAA")}
        assert keys.template(door)["Outputs"]["Url"]["Value"] == f"https://{name}"
        for api in keys.of_type("shared", "AWS::ApiGatewayV2::Api").values():
            assert api["DisableExecuteApiEndpoint"] is True


class TestRestApi:
    def test_its_errors_have_the_form_of_all_others(self, rest: Assembly):
        responses = rest.only(DOOR, "AWS::ApiGateway::RestApi")["Body"][
            "x-amazon-apigateway-gateway-responses"
        ]
        for response in responses.values():
            template = response["responseTemplates"]["application/json"]
            assert template.startswith('{"error":$context.error.messageString')
        assert responses["THROTTLED"]["responseParameters"] == {"gatewayresponse.header.Retry-After": "'1'"}

    def test_bodies_stay_as_they_are(self, rest: Assembly):
        body = rest.only(DOOR, "AWS::ApiGateway::RestApi")["Body"]
        assert body["x-amazon-apigateway-binary-media-types"] == ["*/*"]

    def test_throttling(self, rest: Assembly):
        settings = rest.only(DOOR, "AWS::ApiGateway::Stage")["MethodSettings"]
        limits = {
            (s["HttpMethod"], s["ResourcePath"]): (s["ThrottlingRateLimit"], s["ThrottlingBurstLimit"])
            for s in settings
        }
        assert limits["*", "/*"] == (100, 200)
        assert limits["POST", "/~1models~1digit_image~1{proxy+}"] == (5, 10)

    def test_the_deployment_follows_the_document(self, rest: Assembly):
        (deployment,) = rest.of_type(DOOR, "AWS::ApiGateway::Deployment")
        assert rest.only(DOOR, "AWS::ApiGateway::Stage")["DeploymentId"] == {"Ref": deployment}

    def test_callers_have_keys_and_quotas(self, rest: Assembly):
        plan = rest.only(DOOR, "AWS::ApiGateway::UsagePlan")
        assert plan["Quota"] == {"Limit": 10_000, "Period": "MONTH"}
        assert plan["Throttle"] == {"RateLimit": 5, "BurstLimit": 10}
        described = {key["Description"] for key in rest.of_type(DOOR, "AWS::ApiGateway::ApiKey").values()}
        assert described == {"acme", "globex"}
        assert len(rest.of_type(DOOR, "AWS::ApiGateway::UsagePlanKey")) == 2

    def test_the_waf_limits_addresses_and_lets_large_bodies_through(self, rest: Assembly):
        acl = rest.only(DOOR, "AWS::WAFv2::WebACL")
        limit = acl["Rules"][0]["Statement"]["RateBasedStatement"]["Limit"]
        managed = {rule["Name"] for rule in acl["Rules"][1:]}
        assert limit == 500
        assert "AWSManagedRulesCommonRuleSet" not in managed  # blocks bodies over 8 KB
        assert rest.of_type(DOOR, "AWS::WAFv2::WebACLAssociation")

    def test_it_may_call_every_alias_and_the_catalog(self, rest: Assembly):
        permissions = rest.of_type(DOOR, "AWS::Lambda::Permission").values()
        called = {json.dumps(p["FunctionName"]) for p in permissions}
        assert len(called) == 8  # three live versions, two canaries, two pinned ones, the catalog
        assert not rest.of_type("model-file-type", "AWS::ApiGatewayV2::Route")


class TestFigures:
    def test_the_front_door_has_an_alarm(self, prod: Assembly):
        alarm = prod.only(DOOR, "AWS::CloudWatch::Alarm")
        assert alarm["Threshold"] == 1
        assert alarm["AlarmActions"]

    def test_dashboards_show_what_the_runtime_writes(self, prod: Assembly, capsys):
        of_model = manifest(specs(x=("FP32", -1)), specs(y=("FP32", -1)), name="file_type", version=2)
        telemetry = Telemetry(of_model, Statistics(), ColdStart(init_ms=1.0, session_load_ms=1.0))
        telemetry.observe(Request("GET", "/"), Response(200, {}, b""), None)
        blob = json.loads(capsys.readouterr().out)
        written = {m["Name"] for part in blob["_aws"]["CloudWatchMetrics"] for m in part["Metrics"]}
        assert blob["_aws"]["CloudWatchMetrics"][0]["Namespace"] == NAMESPACE
        assert blob["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["model", "version"]]
        # Without a request that was inferred, or a restore before it, these are left out.
        written |= {"rows", "infer_ms"}
        telemetry.on_restore()
        telemetry.observe(Request("GET", "/"), Response(200, {}, b""), None)
        written |= {name for name in json.loads(capsys.readouterr().out) if name == "restores"}

        widgets = self.widgets(prod, "model-file-type")
        shown = {
            metric[1]
            for widget in widgets
            for metric in widget["properties"].get("metrics", [])
            if metric[0] == NAMESPACE
        }
        assert shown <= written
        assert {"init_ms", "session_load_ms", "infer_ms", "faults", "rows", "cold_start", "restores"} <= shown

    def test_a_models_dashboard(self, prod: Assembly):
        widgets = self.widgets(prod, "model-file-type")
        text = json.dumps(widgets)
        for metric in ("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"):
            assert f'"{metric}"' in text
        for statistic in ("p50", "p95", "p99"):
            assert statistic in text
        assert "restoreDurationMs" in text
        assert "initDurationMs" in text

    def test_the_estimated_cost_is_list_price(self, prod: Assembly):
        (cost,) = (
            metric[0]["expression"]
            for widget in self.widgets(prod, "model-file-type")
            if widget["properties"].get("title", "").startswith("Cost")
            for metric in widget["properties"]["metrics"]
            if isinstance(metric[0], dict) and "expression" in metric[0]
        )
        # A million requests of 15 ms at 1,769 MiB, by hand: 0.20 + 1.00 + 0.0000166667 * 1.7275 * 15000.
        invocations, duration = 1e6, 15e6
        assert eval(cost, {"invocations": invocations, "duration": duration}) == pytest.approx(
            1.20 + 1.6667e-5 * (1769 / 1024) * 15_000, rel=1e-3
        )

    def test_the_fleet_finds_models_by_their_metrics(self, prod: Assembly):
        text = json.dumps(self.widgets(prod, "overview"))
        assert "SEARCH('{modelet,model,version} MetricName=" in text
        assert "file_type" not in text  # a new model needs no change here

    def widgets(self, assembly: Assembly, part: str):
        body = assembly.only(part, "AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
        return json.loads("".join(p if isinstance(p, str) else "X" for p in body))["widgets"]


@pytest.mark.parametrize(
    ("variant", "words"),
    [("prod", {"iam"}), ("keys", {"api-key"}), ("tokens", {"jwt"}), ("rest", {"iam", "api-key"})],
)
def test_the_catalogs_document_says_how_callers_are_known(assembly_of, variant: str, words: set[str]):
    (function,) = assembly_of(variant).of_type("catalog", "AWS::Lambda::Function").values()
    assert set(function["Environment"]["Variables"]["MODELET_AUTHORIZATION"].split()) == words
