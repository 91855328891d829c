"""Triton with SageMaker's interface for several models, started as AWS's image starts it.

That interface listens on every address, so all of this runs in a network of its own:
`unshare --map-root-user --net python -m support.multi_model FOLDER`. In the folder are the archives, in
`server.json` the server, in `asked.json` what to ask; `answered.json` gets what came back.

Source: https://github.com/triton-inference-server/server/blob/main/docker/sagemaker/serve and
    https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

import base64
import fcntl
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

_URL = "http://127.0.0.1:8080"
_START_S = 60.0
# Source: netdevice(7)
_SIOCSIFFLAGS, _UP = 0x8914, 0x1
_OPTIONS = (
    "--allow-sagemaker=true",
    "--allow-http=false",
    "--allow-grpc=false",
    "--allow-metrics=false",
    "--model-control-mode=explicit",
    "--model-namespacing=true",
    "--log-verbose=false",
)


def main(folder: Path) -> None:
    """Load each archive under its name, and ask it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loopback:
        fcntl.ioctl(loopback, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP))
    nothing = folder / "nothing"
    nothing.mkdir()
    wanted = json.loads((folder / "server.json").read_text())
    server = subprocess.Popen(
        [
            wanted["program"],
            f"--model-repository={nothing}",
            f"--backend-directory={folder / 'backends'}",
            *_OPTIONS,
        ],
        cwd=folder,
        env={
            "PATH": os.defpath,
            "HOME": str(folder),
            "SAGEMAKER_MULTI_MODEL": "true",
            **wanted["environment"],
        },
        stdout=sys.stderr,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait()
        asked = json.loads((folder / "asked.json").read_text())
        answers = {target: _ask(folder, target, request) for target, request in asked.items()}
        (folder / "answered.json").write_text(json.dumps(answers))
    finally:
        server.terminate()
        server.wait(20)


def _ask(folder: Path, target: str, request: dict[str, str]) -> dict[str, object]:
    """What SageMaker does for a call that names an archive which is not loaded yet."""
    name = hashlib.sha256(target.encode()).hexdigest()
    unpacked = folder / "models" / name / "model"
    with tarfile.open(folder / target) as archive:
        archive.extractall(unpacked, filter="data")
    headers = {"X-Amzn-SageMaker-Target-Model": target}
    loading = json.dumps({"model_name": name, "url": str(unpacked)}).encode()
    loaded, _, _ = _post("/models", loading, {**headers, "Content-Type": "application/json"})
    body = base64.b64decode(request["body"])
    status, media_type, answer = _post(
        f"/models/{name}/invoke", body, {**headers, "Content-Type": request["media_type"]}
    )
    return {
        "loaded": loaded,
        "status": status,
        "media_type": media_type,
        "body": base64.b64encode(answer).decode(),
    }


def _post(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
    try:
        with urlopen(Request(_URL + path, body, headers), timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"] or "", answer.read()
    except HTTPError as error:
        return error.code, "", error.read()


def _wait() -> None:
    deadline_s = time.monotonic() + _START_S
    while True:
        try:
            urlopen(f"{_URL}/ping", timeout=1).close()
            return
        except (URLError, OSError):
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
