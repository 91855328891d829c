"""The catalog's parts; the whole function is tested behind the service."""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from support.manifests import manifest, specs

from modelet_runtime.errors import ArtifactError, InvalidRequest
from modelet_runtime.manifest import FileDigest, Manifest
from modelet_runtime.settings import CatalogSettings

FUNCTIONS = Path(__file__).parents[3] / "functions"


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The modules of the function, as they lie in its working directory."""
    monkeypatch.syspath_prepend(str(FUNCTIONS))
    import catalog
    import catalog.events
    import catalog.index
    import catalog.page

    yield catalog
    for name in [name for name in sys.modules if name.partition(".")[0] == "catalog"]:
        del sys.modules[name]


def made(name: str, version: int = 1, **changes: object) -> Manifest:
    inputs, outputs = specs(x=("FP32", -1, 2)), specs(y=("FP32", -1))
    return manifest(inputs, outputs, name=name, version=version, **changes)


def index_of(catalog: ModuleType, *manifests: Manifest):
    return catalog.index.Index(list(manifests))


def test_the_index_is_read_from_the_file_the_environment_names(catalog: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "index.json"
    manifests = [made("b_b", 2), made("a_a"), made("b_b")]
    document = {"models": [each.to_dict() for each in manifests], "latency_ms": {"b_b": {"2": 5.5}}}
    file.write_text(json.dumps(document))
    settings = CatalogSettings.from_environment({"MODELET_INDEX": str(file)})
    index = catalog.index.Index.load(settings.index)
    assert {name: live.version for name, live in index.live.items()} == {"a_a": 1, "b_b": 2}
    assert [(entry["name"], entry["version"]) for entry in index.entries()] == [
        ("a_a", "1"),
        ("b_b", "1"),
        ("b_b", "2"),
    ]
    assert index.latency_ms(made("b_b", 2)) == 5.5
    assert index.latency_ms(made("b_b", 1)) is None
    assert CatalogSettings.from_environment({}).index == Path("/var/task/index.json")


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"models": 1}', '{"models": [{}]}'])
def test_an_index_that_is_none(catalog: ModuleType, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "index.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ArtifactError, match=r"index\.json"):
        catalog.index.Index.load(file)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/x", 404, "no route GET /x"),
        ("GET", "/v2/models/other", 404, "Request for unknown model: 'other' is not found; there are a_a"),
        (
            "POST",
            "/models/other/predict",
            404,
            "Request for unknown model: 'other' is not found; there are a_a",
        ),
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models/other/versions/7", 404, "Servable not found for request: Specific(other, 7)"),
        ("POST", "/v1/models/a_a:classify", 501, "classify and regress are not supported: use predict"),
        ("POST", "/v1/models/a_a:regress", 501, "classify and regress are not supported: use predict"),
        ("POST", "/v1/models/other:classify", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models/a_a:classify", 405, "use POST"),
        ("PUT", "/v2/models/a_a", 405, "use GET"),
        ("HEAD", "/v2/models/a_a/ready", 405, "use GET"),
        ("GET", "/models/a_a/predict", 405, "use POST"),
        ("PUT", "/v1/models/a_a:predict", 405, "use POST"),
        ("PUT", "/v2/models/a_a/versions/1/infer", 405, "use POST"),
    ],
)
def test_what_is_missing_is_said_in_the_protocols_words(
    catalog: ModuleType, method: str, path: str, status: int, text: str
) -> None:
    error = index_of(catalog, made("a_a")).missing(method, path)
    assert error.status == status
    assert text in str(error)


def test_trailing_slashes_go(catalog: ModuleType) -> None:
    event = {"rawPath": "/v2//", "requestContext": {"stage": "x", "http": {"path": "/v2//", "method": "GET"}}}
    mended = catalog.events.without_trailing_slash(event)
    assert (mended["rawPath"], mended["requestContext"]["http"]["path"]) == ("/v2", "/v2")
    assert event["rawPath"] == "/v2//"
    root = {"rawPath": "/", "requestContext": {"http": {"path": "/"}}}
    assert catalog.events.without_trailing_slash(root)["rawPath"] == "/"


@pytest.mark.parametrize(
    ("body", "is_base64", "expected"),
    [
        (None, False, {}),
        ("", False, {}),
        ('{"ready": true}', False, {"ready": True}),
        (base64.b64encode(b'{"a": 1}').decode(), True, {"a": 1}),
    ],
)
def test_bodies_are_objects(catalog: ModuleType, body: str | None, is_base64: bool, expected: dict) -> None:
    event = APIGatewayProxyEventV2({"body": body, "isBase64Encoded": is_base64})
    assert catalog.events.read_object(event) == expected


@pytest.mark.parametrize(
    ("body", "is_base64"), [("[]", False), ("{", False), ("/w==", True), ("!", True), ("NaN", False)]
)
def test_other_bodies_are_refused(catalog: ModuleType, body: str, is_base64: bool) -> None:
    event = APIGatewayProxyEventV2({"body": body, "isBase64Encoded": is_base64})
    with pytest.raises(InvalidRequest):
        catalog.events.read_object(event)


def test_the_policy_allows_exactly_the_pages_own_script_and_style(catalog: ModuleType) -> None:
    page = catalog.page.Page(index_of(catalog, made("a_a")))
    policy = dict(
        directive.split(" ", 1) for directive in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for element in ("script", "style"):
        bodies = re.findall(rf"<{element}>(.*?)</{element}>", page.html, re.DOTALL)
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert policy[f"{element}-src"] == f"'sha256-{digest}'"
    assert " style=" not in page.html
    assert not re.search(r"\son\w+=", page.html)


def test_no_text_of_a_model_gets_out_of_its_place(catalog: ModuleType) -> None:
    text = "</script><script>alert(1)</script><!-- {{models}} \u2028 ä"
    files = {"model.ort": FileDigest("0" * 64, 1234)}
    page = catalog.page.Page(index_of(catalog, made("a_a", description=text, files=files)))
    found = re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)
    assert found is not None
    [shown] = json.loads(found[1])
    assert shown["description"] == text
    assert shown["bytes"] == 1234
    assert shown["has_batch_axis"] is True
    assert page.html.count("<script>") == 1


def test_the_page_without_models(catalog: ModuleType) -> None:
    assert 'id="data">[]</script>' in catalog.page.Page(index_of(catalog)).html
