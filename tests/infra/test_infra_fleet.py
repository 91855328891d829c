"""Three hundred models: within the limits of CloudFormation and API Gateway, and none moves for another."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.assemblies import Assembly, synthesise
from support.checkouts import demo, make_checkout

from infra import fleet
from infra.config import PROD
from infra.errors import SettingsRefused
from infra.placement import check_capacity, door_of
from infra.settings import FUNCTIONS_PER_REST_API
from infra.sources import Sources
from modelet_runtime.manifest import Batch

MODELS = 300
# With 10 routes a model and 300 an API, 29 models fit; over 20 doors the fullest has 25 of these.
FLEET = replace(PROD, name="fleet", front_doors=20)

NAMES = st.from_regex(r"[a-z][a-z0-9]{1,8}_[a-z0-9]{1,8}", fullmatch=True)


def name(number: int) -> str:
    return f"demo_m{number:03d}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Every other model takes files of a bucket besides.
    models = [demo(name(n), batch=Batch() if n % 2 else None) for n in range(MODELS)]
    return make_checkout(tmp_path_factory.mktemp("fleet"), models)


@pytest.fixture(scope="module")
def assembly(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(checkout, FLEET, tmp_path_factory.mktemp("assembly"))


@pytest.fixture(scope="module")
def kinds(assembly: Assembly) -> dict[str, Counter[str]]:
    """How many resources of each type each stack has."""
    return {
        part: Counter(r["Type"] for r in assembly.template(part)["Resources"].values())
        for part in assembly.parts
    }


def test_every_model_has_its_stack(assembly: Assembly):
    assert len(assembly.parts) == MODELS + FLEET.front_doors + 5


def test_no_stack_is_near_500_resources(kinds: dict[str, Counter[str]]):
    # Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert max(sum(of_stack.values()) for of_stack in kinds.values()) < 500
    sizes = Counter(sum(kinds[part].values()) for part in kinds if part.startswith("model-"))
    assert sizes == {32: MODELS / 2, 50: MODELS / 2}


def test_the_event_bus_takes_all_rules(kinds: dict[str, Counter[str]]):
    # Source: 300 for a bus by default, https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
    rules = [of_stack["AWS::Events::Rule"] for of_stack in kinds.values()]
    assert (max(rules), sum(rules)) == (1, MODELS / 2)


def test_templates_are_below_a_megabyte(assembly: Assembly):
    assert max(path.stat().st_size for path in assembly.folder.glob("*.template.json")) < 1024 * 1024


def test_no_api_has_more_than_its_quota(assembly: Assembly):
    routes: Counter[str] = Counter()
    integrations: Counter[str] = Counter()
    for part in assembly.parts:
        for route in assembly.of_type(part, "AWS::ApiGatewayV2::Route").values():
            routes[str(route["ApiId"])] += 1
        for integration in assembly.of_type(part, "AWS::ApiGatewayV2::Integration").values():
            integrations[str(integration["ApiId"])] += 1
    assert len(routes) == FLEET.front_doors
    assert max(routes.values()) <= 300
    assert max(integrations.values()) <= 300


def test_outputs_and_parameters_are_few(assembly: Assembly):
    # 200 of each; the exports of the shared stack are what grows with the doors.
    for part in assembly.parts:
        template = assembly.template(part)
        assert len(template.get("Outputs", {})) < 200
        assert len(template.get("Parameters", {})) < 200


class TestPlacement:
    @given(st.sets(NAMES, min_size=1, max_size=40), NAMES, st.integers(1, 20))
    def test_a_new_model_moves_no_other(self, names: set[str], new: str, doors: int):
        def placed(of_all: set[str]) -> dict[str, int]:
            return {model: door_of(model, doors) for model in of_all}

        assert {m: d for m, d in placed(names | {new}).items() if m in names} == placed(names)

    @given(NAMES, st.integers(1, 20))
    def test_one_more_door_takes_models_and_moves_none_between_the_others(self, model: str, doors: int):
        assert door_of(model, doors + 1) in (door_of(model, doors), doors)

    def test_models_spread(self):
        full = Counter(door_of(name(number), 20) for number in range(MODELS))
        assert len(full) == 20
        assert max(full.values()) <= 29

    def test_one_door_has_all(self):
        assert {door_of(name(number), 1) for number in range(MODELS)} == {0}


class TestCapacity:
    @pytest.fixture
    def models(self, checkout: Path):
        sources = Sources(checkout)
        return fleet.read(sources.models, sources.contexts)

    def test_too_many_routes_are_refused_with_what_to_do(self, models):
        with pytest.raises(SettingsRefused, match="front door 0 needs 304 routes for 30 functions"):
            check_capacity(models[:30], replace(FLEET, front_doors=1))
        check_capacity(models[:29], replace(FLEET, front_doors=1))

    def test_one_url_for_299_models_needs_a_raised_quota(self, models):
        settings = replace(FLEET, front_doors=1, routes_per_api=3000)
        check_capacity(models[:299], settings)
        with pytest.raises(SettingsRefused, match="300 functions, and no http API takes more than 299"):
            check_capacity(models, replace(settings, routes_per_api=3100))

    def test_a_rest_api_counts_resources(self, models):
        settings = replace(FLEET, front_door="rest", front_doors=1)
        with pytest.raises(SettingsRefused, match="needs 301 resources for 42 functions"):
            check_capacity(models[:42], settings)
        check_capacity(models[:41], settings)
        with pytest.raises(SettingsRefused, match="no rest API takes more than 160"):
            check_capacity(models[:161], replace(settings, routes_per_api=3000))


def test_a_full_rest_api_is_below_a_megabyte(tmp_path: Path):
    # With the longest names the toolchain takes.
    models = [demo(name(number).ljust(48, "x")) for number in range(FUNCTIONS_PER_REST_API)]
    settings = replace(FLEET, front_door="rest", front_doors=1, routes_per_api=3000)
    assembly = synthesise(make_checkout(tmp_path / "checkout", models), settings, tmp_path / "out")
    assert len(assembly.template("front-door-0")["Resources"]) < 500
    template = assembly.folder / "modelet-fleet-front-door-0.template.json"
    assert template.stat().st_size < 1_000_000
