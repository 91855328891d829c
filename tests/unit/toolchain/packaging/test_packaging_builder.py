from pathlib import Path

import pytest

from modelet.packaging import builder
from modelet.packaging.context import Context
from modelet.packaging.errors import BuilderMissing, BuildFailed
from modelet.packaging.platforms import Architecture
from modelet.repository import Version


@pytest.fixture
def staged(tmp_path: Path) -> Context:
    return Context(tmp_path / "context", Version(1, tmp_path), Architecture.ARM64, {})


def tool(folder: Path, name: str, script: str = "exit 0") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def choose(folder: Path, **environ: str) -> str:
    def which(name: str) -> str | None:
        path = folder / name
        return str(path) if path.exists() else None

    return builder.choose(environ, which)


class TestChoose:
    def test_prefers_docker(self, tmp_path: Path) -> None:
        docker = tool(tmp_path, "docker")
        tool(tmp_path, "podman")

        assert choose(tmp_path) == str(docker)

    def test_passes_over_a_client_whose_daemon_does_not_answer(self, tmp_path: Path) -> None:
        tool(tmp_path, "docker", "exit 1")
        buildah = tool(tmp_path, "buildah")

        assert choose(tmp_path) == str(buildah)

    def test_takes_what_cdk_takes(self, tmp_path: Path) -> None:
        tool(tmp_path, "docker")
        finch = tool(tmp_path, "finch")

        assert choose(tmp_path, CDK_DOCKER="finch") == str(finch)

    @pytest.mark.parametrize("environ", [{}, {"CDK_DOCKER": "nerdctl"}])
    def test_says_what_to_install(self, tmp_path: Path, environ: dict[str, str]) -> None:
        with pytest.raises(BuilderMissing, match="install one of them"):
            choose(tmp_path, **environ)


class TestCommand:
    def test_builds_for_one_platform(self, staged: Context) -> None:
        assert builder.command(staged, "a/b:1", "/usr/bin/docker") == [
            "/usr/bin/docker",
            "build",
            "--platform",
            "linux/arm64",
            "--tag",
            "a/b:1",
            str(staged.folder),
        ]

    def test_takes_another_base(self, staged: Context) -> None:
        command = builder.command(staged, "a/b:1", "docker", "debian/python")

        assert command[command.index("--build-arg") + 1] == "BASE_IMAGE=debian/python"

    @pytest.mark.parametrize("name", ["podman", "buildah"])
    def test_fixes_the_time_and_keeps_layers_apart_where_the_tool_would_not(
        self, staged: Context, name: str
    ) -> None:
        command = builder.command(staged, "a/b:1", f"/usr/bin/{name}")

        assert command[command.index("--timestamp") + 1] == "315532800"
        assert "--layers" in command


class TestBuild:
    def test_asks_for_no_attestations_and_a_fixed_time(self, staged: Context, tmp_path: Path) -> None:
        docker = tool(tmp_path, "docker", f"env > {tmp_path}/environment")

        builder.build(staged, "a/b:1", str(docker))

        environment = (tmp_path / "environment").read_text().splitlines()
        assert "BUILDX_NO_DEFAULT_ATTESTATIONS=1" in environment
        assert "SOURCE_DATE_EPOCH=315532800" in environment

    def test_says_that_the_tool_failed(self, staged: Context, tmp_path: Path) -> None:
        with pytest.raises(BuildFailed, match=r"docker could not build a/b:1 \(exit code 7\)"):
            builder.build(staged, "a/b:1", str(tool(tmp_path, "docker", "exit 7")))
