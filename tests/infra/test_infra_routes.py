"""Every route of the wire contract reaches the model it names, and everything else the catalog."""

import json
import re

import pytest
from support.assemblies import Assembly
from support.manifests import FunctionSession, manifest, specs

from infra.routes import ROUTES_PER_FUNCTION, model_routes, resource_count
from modelet_runtime.http.application import _table
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps import pipeline

CATALOG = "catalog"
# The table of the wire contract, section 1, for the model `file_type`, whose live version is 2.
OF_THE_MODEL = [
    ("GET", "/v2/models/file_type"),
    ("GET", "/v2/models/file_type/versions/2"),
    ("GET", "/v2/models/file_type/ready"),
    ("GET", "/v2/models/file_type/versions/2/ready"),
    ("GET", "/v2/models/file_type/stats"),
    ("GET", "/v2/models/file_type/versions/2/stats"),
    ("GET", "/v2/models/file_type/config"),
    ("GET", "/v2/models/file_type/versions/2/config"),
    ("POST", "/v2/models/file_type/infer"),
    ("POST", "/v2/models/file_type/versions/2/infer"),
    ("GET", "/v1/models/file_type"),
    ("GET", "/v1/models/file_type/versions/2"),
    ("GET", "/v1/models/file_type/labels/live"),
    ("GET", "/v1/models/file_type/metadata"),
    ("GET", "/v1/models/file_type/versions/2/metadata"),
    ("GET", "/v1/models/file_type/labels/live/metadata"),
    ("POST", "/v1/models/file_type:predict"),
    ("POST", "/v1/models/file_type/versions/2:predict"),
    ("POST", "/v1/models/file_type/labels/live:predict"),
    ("POST", "/models/file_type/predict"),
    ("PUT", "/models/file_type/predict"),
    ("PUT", "/models/file_type/versions/2/predict"),
    ("PUT", "/v2/models/file_type/infer"),
    ("PUT", "/v2/models/file_type/versions/2/infer"),
    ("POST", "/models/file_type/versions/2/predict"),
]
OF_THE_CATALOG = [
    ("GET", "/"),
    ("GET", "/v2"),
    ("GET", "/v2/health/live"),
    ("GET", "/v2/health/ready"),
    ("GET", "/v2/models"),
    ("POST", "/v2/repository/index"),
    ("POST", "/v2/repository/models/file_type/load"),
    ("GET", "/ping"),
    ("POST", "/invocations"),
    ("GET", "/jobs/4d1f"),
    ("POST", "/uploads"),
    # A model that is not there; one whose name begins like another's.
    ("POST", "/v2/models/other/infer"),
    ("POST", "/v1/models/other:predict"),
    ("POST", "/models/file_type_2/predict"),
    # A verb that no route has.
    ("DELETE", "/v2/models/file_type/infer"),
    ("PUT", "/v1/models/file_type:predict"),
]


def routes_of(assembly: Assembly):
    """Route key to the stack whose function it reaches, over all stacks."""
    return {
        route["RouteKey"]: part
        for part in assembly.parts
        for route in assembly.of_type(part, "AWS::ApiGatewayV2::Route").values()
    }


def choose(keys, method: str, path: str):
    """The route API Gateway takes: a full match, else the longest greedy one, else `$default`.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    exact = f"{method} {path}"
    if exact in keys:
        return exact
    for key in keys:
        if "{job}" in key and re.fullmatch(key.replace("{job}", "[^/]+"), exact):
            return key
    greedy = [
        key for key in keys if key.endswith("/{proxy+}") and exact.startswith(key.removesuffix("{proxy+}"))
    ]
    return max(greedy, key=len, default="$default")


@pytest.fixture(scope="module")
def routes(prod: Assembly):
    return routes_of(prod)


@pytest.fixture(scope="module")
def paths(rest: Assembly):
    return rest.only("front-door-0", "AWS::ApiGateway::RestApi")["Body"]["paths"]


@pytest.mark.parametrize(("method", "path"), OF_THE_MODEL)
def test_a_models_routes_reach_its_function(routes, method: str, path: str):
    assert routes[choose(routes, method, path)] == "model-file-type"


@pytest.mark.parametrize(("method", "path"), [(m, p + "/") for m, p in OF_THE_MODEL if ":" not in p])
def test_with_a_trailing_slash_too(routes, method: str, path: str):
    # API Gateway takes no route that ends in a slash, and the greedy one takes the empty rest.
    assert routes[choose(routes, method, path)] == "model-file-type"


@pytest.mark.parametrize(("method", "path"), OF_THE_CATALOG)
def test_the_rest_reaches_the_catalog(routes, method: str, path: str):
    assert routes[choose(routes, method, path)] == CATALOG


def test_jobs_have_routes_by_which_an_authorizer_knows_them(keys: Assembly):
    # API Gateway tells it the route and nothing of the path that could be relied on.
    routes = routes_of(keys)
    assert routes["GET /jobs/{job}"] == routes["POST /uploads"] == CATALOG
    assert choose(routes, "GET", "/jobs/4d1f") == "GET /jobs/{job}"


def test_a_pinned_version_has_its_own_routes(keys: Assembly):
    routes = routes_of(keys)
    for method, path in OF_THE_MODEL:
        key = choose(routes, method, path.replace("versions/2", "versions/1"))
        assert ("/versions/1" in key) == ("versions/2" in path)


def test_the_canary_is_reached_by_its_version_and_its_label(keys: Assembly):
    routes = routes_of(keys)
    for method, path in OF_THE_MODEL:
        key = choose(routes, method, path.replace("versions/2", "versions/3"))
        assert ("/versions/3" in key) == ("versions/2" in path)
        key = choose(routes, method, path.replace("labels/live", "labels/canary"))
        assert ("/labels/canary" in key) == ("labels/live" in path)


def test_each_function_is_told_what_it_is(keys: Assembly):
    # By the alias in the ARN it is called by: its label, and what its metrics are counted under.
    aliases = keys.of_type("model-file-type", "AWS::Lambda::Alias")
    assert sorted(alias["Name"] for alias in aliases.values()) == ["canary", "live", "pinned"]
    functions = keys.of_type("model-file-type", "AWS::Lambda::Function").values()
    described = {text.split(":")[0] for f in functions if (text := f["Description"]).startswith("file_type")}
    assert described == {f"file_type version {number}" for number in (1, 2, 3)}
    live = next(alias for alias in aliases.values() if alias["Name"] == "live")
    assert "Live" in live["FunctionName"]["Ref"]


def test_the_table_above_is_all_that_the_runtime_answers_for_a_model():
    # Held to the runtime's own table, so that a new route there is missed here and not in the cloud.
    of_model = manifest(specs(x=("FP32", -1, 3)), specs(y=("FP32", -1, 3)), name="file_type", version=2)
    session = FunctionSession(of_model.signature, lambda _: [])
    table = _table(Predictor(of_model, session, pipeline.build(of_model, folder=None)))._table
    named = [(pattern, route) for pattern, route in table if "{model}" in route.path]
    unknown = {
        f"{route.method} {route.path}"
        for pattern, route in named
        if not any(pattern.fullmatch(path) and route.method == method for method, path in OF_THE_MODEL)
    }
    assert unknown == {
        # The catalog's.
        "POST /v2/repository/models/{model}/load",
        "POST /v2/repository/models/{model}/unload",
        # A 501 in the function; outside the wire contract.
        "POST /v1/models/{model}[/versions/{version}][/labels/{label}]:(?:classify|regress)",
    }


def test_every_route_is_closed(any_assembly: Assembly, settings_of):
    kind = {"tokens": "JWT", "keys": "CUSTOM"}.get(any_assembly.stage, "AWS_IAM")
    open_routes = []
    for part in any_assembly.parts:
        for route in any_assembly.of_type(part, "AWS::ApiGatewayV2::Route").values():
            if route["AuthorizationType"] != kind:
                open_routes.append((route["RouteKey"], route["AuthorizationType"]))
    # A browser's preflight request has no credentials to show.
    cors = settings_of(any_assembly.stage).cors
    assert set(open_routes) == ({("OPTIONS /{proxy+}", "NONE")} if cors else set())


def test_all_routes_of_a_model_share_one_integration(prod: Assembly):
    # An API may have 300 of them.
    assert len(prod.of_type("model-file-type", "AWS::ApiGatewayV2::Integration")) == 1
    assert len(prod.of_type("model-file-type", "AWS::ApiGatewayV2::Route")) == ROUTES_PER_FUNCTION


def test_methods_are_named_so_that_preflight_requests_pass_by(prod: Assembly):
    assert {key.partition(" ")[0] for key in routes_of(prod)} == {"GET", "POST", "PUT", "$default"}


class TestRestApi:
    def function_of(self, paths, method: str, path: str):
        keys = {
            f"{verb.upper()} {route}": operation
            for route, operations in paths.items()
            for verb, operation in operations.items()
            if verb in ("get", "post", "put")
        }
        key = choose(keys, method, path)
        catch_all = "/" if path == "/" else "/{proxy+}"
        operation = keys.get(key) or paths[catch_all]["x-amazon-apigateway-any-method"]
        return json.dumps(operation["x-amazon-apigateway-integration"]["uri"])

    @pytest.mark.parametrize(("method", "path"), OF_THE_MODEL)
    def test_a_models_routes_reach_its_function(self, paths, method: str, path: str):
        assert "modelet-rest-model-file-type" in self.function_of(paths, method, path)

    @pytest.mark.parametrize(("method", "path"), OF_THE_CATALOG)
    def test_the_rest_reaches_the_catalog(self, paths, method: str, path: str):
        assert "modelet-rest-catalog" in self.function_of(paths, method, path)

    def test_every_operation_needs_a_signature_and_a_key(self, paths):
        operations = [
            operation for item in paths.values() for verb, operation in item.items() if verb != "parameters"
        ]
        assert all(operation["security"] == [{"sigv4": [], "api_key": []}] for operation in operations)

    def test_path_parts_have_characters_that_api_gateway_takes(self, paths):
        # Source: "Resource's path part only allow a-zA-Z0-9._-:", as API Gateway itself says.
        for path in paths:
            for part in path.split("/")[1:]:
                assert re.fullmatch(r"[a-zA-Z0-9._:-]*|\{proxy\+\}", part)


def test_resources_are_counted_by_the_parts_of_paths():
    # "", v2, models, m, {proxy+}; v1, models, m, m:predict, {proxy+}; models, m, {proxy+}.
    assert resource_count(model_routes("m")) == 13
