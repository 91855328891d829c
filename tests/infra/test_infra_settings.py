"""Settings and manifests that AWS would refuse are refused before anything is deployed, and say why."""

import shutil
from dataclasses import replace

import pytest
from support.assemblies import synthesise
from support.checkouts import add_model, demo, make_checkout

from infra import config, fleet
from infra.config import DEV, PROD
from infra.errors import ModelRefused, NotBuilt, SettingsRefused
from infra.settings import ApiKeys, Cors, Jwt, Throttle, UsagePlan, Waf
from infra.sources import Sources
from modelet_runtime.errors import ArtifactError
from modelet_runtime.manifest import Proof, Resources

PLAN = UsagePlan(callers=("acme",), throttle=Throttle(rate_per_s=1, burst=1), requests_per_month=1)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"usage_plan": PLAN}, "front_door='rest'"),
        ({"waf": Waf()}, "front_door='rest'"),
        ({"front_door": "rest", "authorization": ApiKeys()}, "front_door='http'"),
        ({"front_door": "rest", "authorization": Jwt(issuer="i", audiences=("a",))}, "front_door='http'"),
        ({"front_door": "rest", "cors": Cors(origins=("https://x",))}, "front_door='http'"),
        ({"front_doors": 0}, "front_doors: expected 1 or more, got 0"),
        ({"alarms": False}, "canary needs alarms=True"),
    ],
)
def test_settings_that_contradict_each_other(changes: dict[str, object], complaint: str):
    with pytest.raises(SettingsRefused, match=complaint):
        replace(PROD, **changes)


def test_retention_that_cloud_watch_does_not_have(checkout, tmp_path):
    with pytest.raises(SettingsRefused, match=r"log_retention_days: CloudWatch has 1, 3, 5, .* got 8"):
        synthesise(checkout, replace(DEV, log_retention_days=8), tmp_path)


@pytest.mark.parametrize(
    ("resources", "complaint"),
    [
        ({"memory_mib": 64}, "memory_mib: Lambda has 128 to 10240"),
        ({"memory_mib": 16_384}, "memory_mib"),
        ({"timeout_s": 901}, "timeout_s"),
        ({"ephemeral_storage_mib": 256}, "ephemeral_storage_mib: Lambda has"),
        ({"ephemeral_storage_mib": 1024}, "snap_start needs ephemeral_storage_mib = 512"),
        ({"architecture": "riscv64"}, "architecture"),
        ({"provisioned_concurrency": 1}, "snap_start and provisioned_concurrency exclude"),
        (
            {"snap_start": False, "provisioned_concurrency": 5, "max_concurrency": 4},
            "provisioned_concurrency is above",
        ),
        ({"canary_percent": 100}, "canary_percent"),
        ({"canary_minutes": 10_000}, "canary_minutes"),
    ],
)
def test_resources_that_lambda_does_not_give(resources: dict[str, object], complaint: str):
    with pytest.raises(ModelRefused, match=f"file_type@1: {complaint}"):
        fleet.check_limits(demo("file_type", resources=Resources(**resources)))


class TestFleet:
    def read(self, root):
        sources = Sources(root)
        return fleet.read(sources.models, sources.contexts)

    def alias(self, root, text):
        (Sources(root).models / "a_a" / "aliases.toml").write_text(text)

    def test_the_highest_version_is_live(self, tmp_path):
        make_checkout(tmp_path, [demo("a_a", version=v) for v in (1, 10, 9)])
        assert [model.live.manifest.version for model in self.read(tmp_path)] == [10]

    def test_a_model_without_a_version_is_left_out(self, tmp_path):
        make_checkout(tmp_path, [demo("a_a")])
        (tmp_path / "model_artifacts" / "b_b" / "versions").mkdir(parents=True)
        assert [model.name for model in self.read(tmp_path)] == ["a_a"]

    def test_a_context_that_was_not_made(self, tmp_path):
        make_checkout(tmp_path, [demo("a_a")])
        (Sources(tmp_path).contexts / "a_a-1-x86_64" / "Dockerfile").unlink()
        with pytest.raises(NotBuilt, match="Dockerfile is missing: make it with `modelet build"):
            self.read(tmp_path)

    def test_a_model_that_is_not_built_here_may_be_left_out(self, tmp_path):
        """The limits of a manifest are not looked at: nothing of it is deployed."""
        make_checkout(tmp_path, [demo("a_a"), demo("b_b", resources=Resources(memory_mib=64))])
        sources = Sources(tmp_path)
        shutil.rmtree(sources.contexts / "b_b-1-x86_64")
        (model,) = fleet.read(sources.models, sources.contexts, only_built=True)
        assert model.name == "a_a"

    def test_a_version_that_was_not_proven(self, tmp_path):
        make_checkout(tmp_path, [demo("a_a", proof=Proof(passed=False))])
        with pytest.raises(ModelRefused, match="a_a@1: its passport says that it did not pass"):
            self.read(tmp_path)

    def test_a_version_that_failed_and_was_accepted(self, tmp_path):
        make_checkout(tmp_path, [demo("a_a", proof=Proof(passed=False, accepted="only a preview"))])
        assert [model.name for model in self.read(tmp_path)] == ["a_a"]

    def test_without_aliases_the_highest_proven_version_is_live(self, tmp_path):
        versions = [demo("a_a", version=v) for v in (1, 2)]
        make_checkout(tmp_path, [*versions, demo("a_a", version=3, proof=Proof(passed=False))])
        (model,) = self.read(tmp_path)
        assert model.live.number == 2

    def test_aliases_say_what_is_deployed(self, tmp_path):
        make_checkout(tmp_path, [demo("a_a", version=v) for v in (1, 2, 3, 4)])
        self.alias(tmp_path, "live = 3\ncanary = {version = 4, weight = 0.1}\npinned = [4, 3, 1]")
        (model,) = self.read(tmp_path)
        assert (model.live.number, model.live.alias) == (3, "live")
        assert [(version.number, version.alias) for version in model.beside] == [(1, "pinned"), (4, "canary")]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "live = 9",
                r"a_a: aliases\.toml: live is version 9, and there are 1, 2: move it with `modelet pro",
            ),
            ("live = 1\ncanary = {version = 7, weight = 0.5}", "canary is version 7, and there are 1, 2"),
            ("live = 1\npinned = [5]", "pinned is version 5"),
        ],
    )
    def test_an_alias_at_what_is_not_there(self, tmp_path, text, message):
        make_checkout(tmp_path, [demo("a_a", version=v) for v in (1, 2)])
        self.alias(tmp_path, text)
        with pytest.raises(ModelRefused, match=message):
            self.read(tmp_path)

    @pytest.mark.parametrize("text", ["live = 2", "live = 1\ncanary = {version = 2, weight = 0.5}"])
    def test_an_alias_at_what_was_not_proven(self, tmp_path, text):
        make_checkout(tmp_path, [demo("a_a"), demo("a_a", version=2, proof=Proof(passed=False))])
        self.alias(tmp_path, text)
        with pytest.raises(
            ModelRefused, match=r"a_a@2: its passport .* choose another with `modelet promote"
        ):
            self.read(tmp_path)

    def test_aliases_that_are_wrong(self, tmp_path):
        make_checkout(tmp_path, [demo("a_a")])
        self.alias(tmp_path, "live = true")
        with pytest.raises(ArtifactError, match=r"aliases\.toml: live: expected a version's number"):
            self.read(tmp_path)

    def test_a_catalog_that_was_not_made(self, tmp_path):
        make_checkout(tmp_path / "checkout", [demo("a_a")])
        shutil.rmtree(Sources(tmp_path / "checkout").catalog("x86_64"))
        with pytest.raises(NotBuilt, match=r"catalog-x86_64.* is missing: make it with `modelet build"):
            synthesise(tmp_path / "checkout", DEV, tmp_path / "out")

    def test_adding_a_model_touches_no_settings(self, tmp_path):
        make_checkout(tmp_path / "checkout", [demo("a_a")])
        add_model(tmp_path / "checkout", demo("b_b"))
        assembly = synthesise(tmp_path / "checkout", DEV, tmp_path / "out")
        assert {"model-a-a", "model-b-b"} <= set(assembly.parts)


class TestStages:
    def test_account_and_region_are_those_of_the_cli(self):
        environ = {"CDK_DEFAULT_ACCOUNT": "111122223333", "CDK_DEFAULT_REGION": "eu-west-1"}
        settings = config.stage("prod", environ)
        assert (settings.account, settings.region) == ("111122223333", "eu-west-1")

    def test_or_none_without_an_account(self):
        settings = config.stage("dev", {})
        assert (settings.account, settings.region) == (None, None)

    def test_a_stage_that_is_not_there(self):
        with pytest.raises(SettingsRefused, match="there is no stage 'test'"):
            config.stage("test", {})

    def test_prod_is_protected_and_shifts_new_versions_in(self):
        assert PROD.termination_protection
        assert PROD.canary
        assert PROD.snap_start
