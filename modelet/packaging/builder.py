"""Building a staged context with whichever container tool works on this machine."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence

from modelet.packaging.archive import EPOCH_S
from modelet.packaging.context import Context
from modelet.packaging.errors import BuilderMissing, BuildFailed

# In the order of preference. All take docker's `build`, and these are told apart below.
TOOLS = ("docker", "podman", "buildah", "finch")
_PROBE_TIMEOUT_S = 30
_ENVIRONMENT = {
    # Lambda refuses an image index, and an attestation makes one of a single image.
    # Source: https://docs.docker.com/build/metadata/attestations/
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    # The time of creation in the image's configuration, for docker and finch.
    "SOURCE_DATE_EPOCH": str(EPOCH_S),
}


def choose(environ: Mapping[str, str] = os.environ, which: Callable[[str], str | None] = shutil.which) -> str:
    """The tool to build with: `CDK_DOCKER`, or the first of docker, podman, buildah and finch that works.

    A client whose daemon or virtual machine does not answer is passed over.

    Raises:
        BuilderMissing: None does.
    """
    named = environ.get("CDK_DOCKER")
    for tool in (named,) if named else TOOLS:
        path = which(tool)
        if path and works(path):
            return path
    tried = f"CDK_DOCKER={named}" if named else "neither docker, podman, buildah nor finch"
    raise BuilderMissing(f"{tried} works on this machine", "install one of them, or start its daemon")


def build(context: Context, tag: str, tool: str, base_image: str | None = None) -> None:
    """Build the image of a context, for one platform and without attestations.

    Args:
        context: What to build.
        tag: The image's name.
        tool: What builds it, as `choose` gives it.
        base_image: Another base than the Dockerfile's.

    Raises:
        BuildFailed: The tool says no; its own output has been shown.
    """
    environment = {**os.environ, **_ENVIRONMENT}
    # What the tool tells is about the way there, so it goes to standard error.
    done = subprocess.run(command(context, tag, tool, base_image), env=environment, stdout=2, check=False)
    if done.returncode:
        raise BuildFailed(f"{os.path.basename(tool)} could not build {tag} (exit code {done.returncode})")


def command(context: Context, tag: str, tool: str, base_image: str | None = None) -> Sequence[str]:
    """The command line that builds a context."""
    options = ["--platform", context.architecture.oci_platform, "--tag", tag]
    if base_image:
        options += ["--build-arg", f"BASE_IMAGE={base_image}"]
    if os.path.basename(tool) in ("podman", "buildah"):
        # They take the time of creation from here, and the same for files, which already have it.
        options += ["--timestamp", str(EPOCH_S), "--layers"]
    return [tool, "build", *options, str(context.folder)]


def works(tool: str) -> bool:
    """Whether the tool can build here: `info` asks docker's daemon and finch's virtual machine."""
    try:
        done = subprocess.run([tool, "info"], capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
