"""AWS's runtime interface emulator: the second opinion on everything that claims to behave like Lambda.

The binary lies in the wheel of `aws-sam-cli`. Only the wheel is fetched: installing the package
would pin boto3 and click for everything else.
"""

import http.client
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelet.paths import root

_CACHE = root() / ".cache" / "rie"
_WHEEL = (
    "aws-sam-cli==1.170.0 --hash=sha256:24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf\n"
)
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_INVOKE = "/2015-03-31/functions/function/invocations"
_START_TIMEOUT_S = 30


def emulator_binary(machine: str = platform.machine(), cache: Path = _CACHE) -> Path:
    """The emulator for this machine, downloaded and checked by its hash on first use."""
    name = f"aws-lambda-rie-{_MACHINES[machine.lower()]}"
    binary = cache / _WHEEL.partition(" ")[0].replace("==", "-") / name
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
            _extract(_download(Path(folder)), name, binary)
    return binary


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator. It panics on concurrent invocations: one at a time.

    Attributes:
        address: Host and port that take invocations.
        process: The emulator, which owns the function's process.
    """

    address: tuple[str, int]
    process: "subprocess.Popen[bytes]"

    def invoke(self, event: bytes) -> bytes:
        """Post an event once the emulator listens, and return the function's answer.

        Raises:
            TimeoutError: The emulator does not listen within 30 s.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection(*self.address)
            try:
                connection.connect()
            except ConnectionRefusedError:
                time.sleep(0.001)
                continue
            with connection.sock:
                connection.request("POST", _INVOKE, event)
                return connection.getresponse().read()
        raise TimeoutError(f"the emulator does not listen on {self.address}")


@contextmanager
def emulate(handler: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Emulator]:
    """Start the emulator over the real runtime client and a handler, and stop both afterwards.

    Args:
        handler: As Lambda names it, such as `handler.handler`.
        folder: The working directory, from which the handler is imported.
        environment: Variables besides `PATH`.
    """
    front, back = _free_port(), _free_port()
    # The addresses have to be given: the emulator's default is every interface of the machine.
    command = [
        *(str(emulator_binary()), "--runtime-interface-emulator-address", f"127.0.0.1:{front}"),
        *("--runtime-api-address", f"127.0.0.1:{back}", sys.executable, "-m", "awslambdaric", handler),
    ]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield Emulator(("127.0.0.1", front), process)
        finally:
            os.killpg(process.pid, 9)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _download(folder: Path) -> Path:
    """Fetch the wheel; pip refuses it when its bytes are not the pinned ones."""
    requirements = folder / "requirements.txt"
    requirements.write_text(_WHEEL)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--require-hashes", "-r", requirements, "-d", folder], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _extract(wheel: Path, name: str, binary: Path) -> None:
    """Put the binary in place in one step, so that a run beside this one never sees half."""
    with zipfile.ZipFile(wheel) as archive:
        unpacked = Path(archive.extract(f"samcli/local/rapid/{name}", wheel.parent))
    unpacked.chmod(0o755)
    os.replace(unpacked, binary)
