"""Paths find their function."""

import random
from collections import Counter

import pytest

from modelet.local.errors import AliasUnavailable, RouteNotFound
from modelet.local.router import CATALOG, Router, Serving, Target

ROUTER = Router({"file_type": Serving([1, 3], 3), "digit_image": Serving([2], 2)})
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
    assert Router({"file_type": Serving([1], 1)}).route("GET", path, {}) == Target("file_type", 1, "live")
    with pytest.raises(RouteNotFound, match=r"digit_image, file_type.*X-Amzn-SageMaker-Target-Model"):
        ROUTER.route("GET", path, {})
    with pytest.raises(RouteNotFound, match="got other"):
        ROUTER.route("GET", path, {"x-amzn-sagemaker-target-model": "other"})
    with pytest.raises(RouteNotFound, match="has none"):
        Router({}).route("GET", path, {})


class TestAliases:
    """Live is 1, the canary 3; 2 is there besides."""

    DRAWS = (0.0, 0.24999, 0.25, 0.99)

    def router(self, draws=DRAWS, **changes) -> Router:
        serving = {"versions": [1, 2, 3], "live": 1, "canary": 3, "weight": 0.25, **changes}
        return Router({"file_type": Serving(**serving)}, iter(draws).__next__)

    @pytest.mark.parametrize(
        "path", ["/v2/models/file_type/infer", "/v1/models/file_type:predict", "/models/file_type/predict"]
    )
    def test_the_canary_takes_its_share_of_inferences(self, path: str) -> None:
        router = self.router()
        found = [router.route("POST", path, {}) for _ in self.DRAWS]
        canary, live = Target("file_type", 3, "canary"), Target("file_type", 1, "live")
        assert found == [canary, canary, live, live]
        assert [target.alias for target in found] == ["canary", "canary", "live", "live"]
        wanted = Target(CATALOG, 0, "live") if path.startswith("/v1/") else canary
        assert self.router([0.1]).route("PUT", path, {}) == wanted

    def test_of_sagemakers_too(self) -> None:
        assert self.router([0.1]).route("POST", "/invocations", {}).version == 3
        assert self.router([]).route("GET", "/ping", {}).version == 1

    @pytest.mark.parametrize("seed", range(3))
    def test_its_share_is_its_weight(self, seed: int) -> None:
        chance = random.Random(seed)
        router = Router({"m": Serving([1, 2], 1, 2, 0.1)}, chance.random)
        versions = Counter(router.route("POST", "/models/m/predict", {}).version for _ in range(20_000))
        # Four standard deviations of a binomial distribution.
        assert abs(versions[2] - 2000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5

    @pytest.mark.parametrize(
        ("method", "path", "target"),
        [
            ("GET", "/v2/models/file_type", Target("file_type", 1, "live")),
            ("GET", "/v1/models/file_type/metadata", Target("file_type", 1, "live")),
            ("POST", "/v2/models/file_type/versions/3/infer", Target("file_type", 3, "3")),
            ("POST", "/v2/models/file_type/versions/2/infer", Target("file_type", 2, "2")),
            ("POST", "/v1/models/file_type/labels/live:predict", Target("file_type", 1, "live")),
            ("POST", "/v1/models/file_type/labels/canary:predict", Target("file_type", 3, "canary")),
            ("GET", "/v1/models/file_type/labels/canary", Target("file_type", 3, "canary")),
            ("GET", "/v1/models/file_type/labels/canary/metadata", Target("file_type", 3, "canary")),
            # These the live function refuses, in the words of the protocol.
            ("POST", "/v1/models/file_type/labels/other:predict", Target("file_type", 1, "live")),
            ("POST", "/v1/models/file_type/versions/9:predict", Target("file_type", 1, "live")),
        ],
    )
    def test_whoever_names_a_version_or_label_gets_it(self, method: str, path: str, target: Target) -> None:
        assert self.router([]).route(method, path, {}) == target

    def test_without_a_canary_its_label_is_refused_by_live(self) -> None:
        router = self.router([], canary=None, weight=0.0)
        path = "/v1/models/file_type/labels/canary:predict"
        assert router.route("POST", path, {}) == Target("file_type", 1, "live")

    def test_an_alias_that_cannot_answer_says_so(self) -> None:
        troubles = {"live": "live is gone", "canary": "canary is gone"}
        router = self.router([], live=None, canary=None, troubles=troubles)
        for alias, path in (("live", ":predict"), ("live", "/labels/live"), ("canary", "/labels/canary")):
            with pytest.raises(AliasUnavailable, match=f"{alias} is gone"):
                router.route("POST", f"/v1/models/file_type{path}", {})
        assert router.route("GET", "/v2/models/file_type/versions/2", {}) == Target("file_type", 2, "2")
        assert router.route("GET", "/v2/models/file_type/versions/8", {}) == Target("file_type", 3, "3")
