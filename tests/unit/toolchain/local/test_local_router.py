"""Paths find their function."""

import pytest

from modelet.local.errors import RouteNotFound
from modelet.local.router import CATALOG, Router, Target

ROUTER = Router({"file_type": [1, 3], "digit_image": [2]})
LIVE = Target("file_type", 3, "live")
CATALOG_TARGET = Target(CATALOG, 0, "live")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v2/models/file_type", LIVE),
        ("/v2/models/file_type/", LIVE),
        ("/v2/models/file_type/infer", LIVE),
        ("/v2/models/file_type/versions/3/infer", Target("file_type", 3, "3")),
        ("/v2/models/file_type/versions/1/ready", Target("file_type", 1, "1")),
        ("/v2/models/file_type/versions/2/ready", LIVE),
        ("/v2/models/file_type/versions/01", Target("file_type", 1, "1")),
        ("/v1/models/file_type", LIVE),
        ("/v1/models/file_type:predict", LIVE),
        ("/v1/models/file_type/versions/1:predict", Target("file_type", 1, "1")),
        ("/v1/models/file_type/labels/live:predict", LIVE),
        ("/v1/models/file_type/metadata", LIVE),
        ("/models/digit_image/predict", Target("digit_image", 2, "live")),
        ("/models/digit_image/versions/2/predict/", Target("digit_image", 2, "2")),
        ("/models/digit_image/nonsense", Target("digit_image", 2, "live")),
        ("/", CATALOG_TARGET),
        ("/v2", CATALOG_TARGET),
        ("/v2/health/live", CATALOG_TARGET),
        ("/v2/models", CATALOG_TARGET),
        ("/v2/models/", CATALOG_TARGET),
        ("/v2/models/unknown/infer", CATALOG_TARGET),
        ("/v1/models/unknown:predict", CATALOG_TARGET),
        ("/models/file_types/predict", CATALOG_TARGET),
        ("/v2/repository/models/file_type/load", CATALOG_TARGET),
        ("/x/v2/models/file_type", CATALOG_TARGET),
        ("/v3/models/file_type", CATALOG_TARGET),
        ("//models/file_type", CATALOG_TARGET),
        ("/models/file_type\n", CATALOG_TARGET),
    ],
)
def test_routes(path: str, target: Target) -> None:
    assert ROUTER.route("POST", path, {}) == target


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/v2/models/file_type", LIVE),
        ("GET", "/v1/models/file_type/metadata", LIVE),
        ("GET", "/models/file_type/predict", CATALOG_TARGET),
        ("HEAD", "/v2/models/file_type", CATALOG_TARGET),
        ("OPTIONS", "/models/file_type/predict", CATALOG_TARGET),
        ("DELETE", "/v2/models/file_type/versions/1", CATALOG_TARGET),
    ],
)
def test_only_methods_that_have_a_route_reach_a_model(method: str, path: str, target: Target) -> None:
    assert ROUTER.route(method, path, {}) == target


@pytest.mark.parametrize("path", ["/ping", "/invocations", "/ping/"])
def test_sagemakers_paths_need_a_model(path: str) -> None:
    named = {"x-amzn-sagemaker-target-model": "digit_image"}
    assert ROUTER.route("GET", path, named) == Target("digit_image", 2, "live")
    assert Router({"file_type": [1]}).route("GET", path, {}) == Target("file_type", 1, "live")
    with pytest.raises(RouteNotFound, match=r"digit_image, file_type.*X-Amzn-SageMaker-Target-Model"):
        ROUTER.route("GET", path, {})
    with pytest.raises(RouteNotFound, match="got other"):
        ROUTER.route("GET", path, {"x-amzn-sagemaker-target-model": "other"})
    with pytest.raises(RouteNotFound, match="has none"):
        Router({}).route("GET", path, {})
