"""Containers as tight as a function's environment, on Debian's own tools and without a daemon.

`tests/container/setup.sh` installs the tools and makes the base image.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelet.bench.emulator import emulator_binary
from modelet.packaging.context import Context
from support.oci import Image

BASE_IMAGE = "localhost/base"
CACHE = Path(__file__).parents[2] / ".cache" / "containers"
_START_TIMEOUT_S = 60
# Neither root nor anyone an image knows, as in Lambda.
_USER = "993:990"
# As `modelet image` fixes it, so that the base is the same in every store.
_EPOCH_S = "315532800"


@dataclass(frozen=True)
class Store:
    """Images and containers of the tests' own, away from those of the machine.

    Attributes:
        folder: Where they are kept.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What podman and buildah have to be told."""
        return {"CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"), "BUILDAH_ISOLATION": "chroot"}

    def run(self, *command: str) -> str:
        """Run one of the tools, and give what it prints."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def image(self, name: str) -> Image:
        """What is in an image."""
        layout = Path(tempfile.mkdtemp(dir=self.folder)) / "layout"
        self.run("podman", "save", "--quiet", "--format", "oci-dir", "--output", str(layout), name)
        return Image(layout)

    def config(self, name: str) -> dict[str, Any]:
        """An image's entry point, command, labels and so on."""
        config: dict[str, Any] = json.loads(self.run("podman", "image", "inspect", name))[0]["Config"]
        return config

    def python(self, image: str, code: str, *options: str) -> str:
        """What a Python program prints in a container of the image."""
        return self.run(*confined(*options, "--entrypoint", "python3"), image, "-c", code)


@contextmanager
def open_store() -> Iterator[Store]:
    """A store that holds the base image alone; at the end it is gone."""
    assert os.geteuid() == 0, "containers with limits and without a daemon need root"
    (CACHE / "stores").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE / "stores"))
    # Podman takes no path above 50 characters here, and says so only to the program that waits for the end.
    state = Path(tempfile.mkdtemp(prefix="modelet-", dir="/run"))
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{state}"\n'
    )
    store = Store(folder)
    try:
        store.run("buildah", "build", "--timestamp", _EPOCH_S, "--tag", BASE_IMAGE, str(CACHE / "trixie"))
        yield store
    finally:
        for mount in (folder / "graph" / "overlay", state / "overlay"):
            subprocess.run(["umount", "--lazy", mount], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(folder)
        shutil.rmtree(state)


def confined(*options: str, memory_mib: int = 1769) -> tuple[str, ...]:
    """`podman run` with a function's limits: one CPU, its memory, no rights, and only /tmp to write to."""
    return (
        *("podman", "--runtime", "runc", "run", "--rm", "--pull=never", "--network=host"),
        *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),
        *("--cpus=1", f"--memory={memory_mib}m", f"--user={_USER}"),
        *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp:rw,size=512m"),
        *("--cap-drop=all", "--security-opt=no-new-privileges"),
        *options,
    )


@dataclass(frozen=True)
class Built:
    """An image, and what it was built from."""

    name: str
    context: Context


@dataclass(frozen=True)
class Function:
    """A container that runs an image's function under AWS's emulator.

    Attributes:
        port: Where the emulator takes invocations.
    """

    port: int

    def invoke(self, event: bytes) -> dict[str, Any]:
        """The function's answer to an event."""
        status, body = call(self.port, "POST", "/2015-03-31/functions/function/invocations", event)
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer


@contextmanager
def emulated(
    store: Store,
    image: str,
    memory_mib: int,
    handler: str = "predict.handler.handler",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Function]:
    """Run an image as Lambda would, at its own entry point; variables are the function's own."""
    entry_point = store.config(image)["Entrypoint"]
    binary, front, back = emulator_binary(), free_port(), free_port()
    emulator = (
        *("--runtime-interface-emulator-address", f"127.0.0.1:{front}"),
        *("--runtime-api-address", f"127.0.0.1:{back}"),
    )
    options = (
        *(f"--volume={binary}:/rie:ro", "--entrypoint=/rie"),
        *(f"--env=AWS_LAMBDA_FUNCTION_MEMORY_SIZE={memory_mib}", "--env=AWS_LAMBDA_FUNCTION_NAME=function"),
        *(f"--env={name}={value}" for name, value in (variables or {}).items()),
    )
    with running(store, image, (*emulator, *entry_point, handler), options, memory_mib):
        yield Function(front)


@contextmanager
def running(
    store: Store, image: str, command: Sequence[str], options: Sequence[str] = (), memory_mib: int = 1769
) -> Iterator[None]:
    """Run a container for as long as the block takes; its log is shown when the block fails."""
    name = f"modelet-test-{os.getpid()}-{free_port()}"
    log = store.folder / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*confined(*options, f"--name={name}", memory_mib=memory_mib), image, *command],
            env={**os.environ, **store.environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        except BaseException:
            print(log.read_text())  # noqa: T201
            raise
        finally:
            store.run("podman", "--runtime", "runc", "rm", "--force", "--time=0", name)
            process.wait(timeout=30)


def call(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of one request, as soon as somebody listens."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_TIMEOUT_S)
        with contextlib.closing(connection):
            try:
                connection.connect()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, f"nobody listens on port {port}"
                time.sleep(0.01)
                continue
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()


def free_port() -> int:
    """A port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
