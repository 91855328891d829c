"""The CDK's real CLI, from npm in its pinned version, reads this app as far as it does without an account."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkouts import REPOSITORY, demo, make_checkout

from modelet.deploy.toolkit import PACKAGE

# What `cdk.json` would build is laid out by the test.
NO_BUILD = ("--build", "true", "--no-notices")


def cdk(root: Path, *arguments: str) -> str:
    """Run the CLI; gives what it says on both outputs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    npx = shutil.which("npx", path=path)
    assert npx, "the extra infra brings Node with npx"
    done = subprocess.run(
        [npx, "--yes", PACKAGE, *arguments, *NO_BUILD],
        cwd=root,
        env={**environ, "PATH": path, "CI": "true", "AWS_EC2_METADATA_DISABLED": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that the CLI has synthesised, by the command of its own `cdk.json`."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(REPOSITORY / "infra", folder / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    make_checkout(folder, [demo("file_type")])
    cdk(folder, "synth", "--quiet", "--context", "stage=prod")
    return folder


def test_it_lists_the_stacks(root: Path):
    said = cdk(root, "ls", "--app", "cdk.out").splitlines()
    parts = ("shared", "jobs", "model-file-type", "catalog", "front-door-0", "overview")
    assert [line for line in said if line.startswith("modelet-")] == [
        f"modelet-prod-{part}" for part in parts
    ]


def test_it_tells_what_a_deployment_would_change(root: Path, tmp_path: Path):
    stack = "modelet-prod-model-file-type"
    deployed = json.loads((root / "cdk.out" / f"{stack}.template.json").read_text())
    (function,) = [
        name
        for name, resource in deployed["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
        and resource["Properties"].get("PackageType") == "Image"
    ]
    same, smaller = tmp_path / "same.json", tmp_path / "smaller.json"
    same.write_text(json.dumps(deployed))
    deployed["Resources"][function]["Properties"]["MemorySize"] = 512
    smaller.write_text(json.dumps(deployed))
    compare = ("diff", stack, "--exclusively", "--app", "cdk.out", "--template")
    assert "There were no differences" in cdk(root, *compare, str(same))
    said = cdk(root, *compare, str(smaller))
    assert "[~] AWS::Lambda::Function" in said
    assert "MemorySize" in said


def test_it_says_which_it_is(root: Path):
    assert f"\n{PACKAGE.removeprefix('aws-cdk@')} (build" in f"\n{cdk(root, '--version')}"
