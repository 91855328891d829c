"""What the CDK's CLI reads, and what happens without it and without Node."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkouts import REPOSITORY, add_model, demo, make_checkout

from infra.app import new_app
from infra.sources import Sources
from modelet.deploy.toolkit import PACKAGE
from modelet_runtime.manifest import Endpoint


@pytest.fixture(scope="module")
def cdk_json() -> dict[str, object]:
    return json.loads((REPOSITORY / "cdk.json").read_text())


class TestFlags:
    def test_a_distributed_map_writes_its_results(self, cdk_json):
        # Without it `result_writer_v2` is dropped without a word, permission included.
        assert cdk_json["context"]["@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2"] is True

    def test_references_between_stacks_are_exports(self, cdk_json):
        # See decision 0060: CloudFormation refuses to remove what another stack uses.
        assert cdk_json["context"]["@aws-cdk/core:defaultCrossStackReferences"] == "strong"

    def test_templates_are_held_to_the_rules_of_cloud_formation(self, cdk_json):
        assert cdk_json["context"]["@aws-cdk/core:validateAgainstDefaultRules"] is True

    def test_nothing_is_reported_to_the_maker(self, cdk_json, prod):
        assert cdk_json["context"]["@aws-cdk/core:enableAdditionalMetadataCollection"] is False
        assert not [name for _, name, _ in prod.resources() if name == "CDKMetadata"]

    def test_they_hold_without_the_cli_too(self, tmp_path: Path):
        app = new_app(Sources(REPOSITORY), tmp_path)
        flag = "@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2"
        assert app.node.try_get_context(flag) is True


class TestCommands:
    def test_what_is_missing_is_built_first(self, cdk_json):
        assert "modelet build" in cdk_json["build"]
        assert "modelet image --context --all" in cdk_json["build"]

    def test_the_environment_of_the_project_is_used_whether_active_or_not(self, cdk_json):
        for command in (cdk_json["app"], cdk_json["build"]):
            assert command.startswith("PATH=.venv/bin:$PATH")

    def test_permissions_are_not_widened_unseen(self, cdk_json):
        assert cdk_json["requireApproval"] == "broadening"

    def test_the_cli_is_never_the_accidental_3_0_0(self):
        # It cannot read the assemblies of any aws-cdk-lib 2. The guide and `modelet deploy` name one version.
        guide = (REPOSITORY / "docs" / "deploy.md").read_text()
        assert set(re.findall(r"aws-cdk@[\d.]+", guide)) == {PACKAGE}
        assert PACKAGE.startswith("aws-cdk@2.")


class TestWithoutNode:
    def run(self, root: Path, *arguments: str, **variables: str):
        path = [folder for folder in os.environ["PATH"].split(":") if not (Path(folder) / "node").exists()]
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("JSII_", "CDK_"))}
        return subprocess.run(
            [sys.executable, "-m", "infra.app", *arguments],
            cwd=root,
            env={**environ, "PATH": ":".join(path), **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        # The package finds its checkout by its own place.
        shutil.copytree(REPOSITORY / "infra", tmp_path / "infra")
        return make_checkout(tmp_path, [demo("file_type")])

    def test_it_synthesises(self, root: Path):
        done = self.run(root)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "cdk.out: stage dev, 1 models in 5 stacks\n"
        assert "end-of-life" not in done.stderr
        assert (root / "cdk.out" / "modelet-dev-model-file-type.template.json").is_file()

    def test_endpoints_say_what_they_cost(self, root: Path, tmp_path: Path):
        add_model(root, demo("mlp_torch", target="gpu", endpoint=Endpoint()))
        cost = "endpoint dev-mlp-torch-1: 530.21 USD a month at rest: 1 x ml.g4dn.xlarge x 720 h x 0.7364\n"
        assert self.run(root).stdout == f"{cost}cdk.out: stage dev, 2 models in 6 stacks\n"
        # Through the CLI a template goes to the standard output.
        by_cli = self.run(root, CDK_OUTDIR=str(tmp_path / "elsewhere"))
        assert (by_cli.stdout, by_cli.stderr.endswith(cost)) == ("", True)

    def test_an_error_is_a_sentence(self, root: Path):
        done = self.run(root, "nowhere")
        assert done.returncode == 1
        assert done.stderr.endswith("infra: there is no stage 'nowhere': infra/config.py has dev, prod\n")

    def test_the_cli_decides_where_the_assembly_goes_and_which_stage(self, root: Path, tmp_path: Path):
        out = tmp_path / "elsewhere"
        done = self.run(root, CDK_OUTDIR=str(out), CDK_CONTEXT_JSON=json.dumps({"stage": "prod"}))
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert (out / "modelet-prod-shared.template.json").is_file()
