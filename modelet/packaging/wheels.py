"""The wheels of a layer: fetched by hash for the function's machine, and read without installing."""

import fnmatch
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from modelet.packaging.errors import WheelsUnavailable
from modelet.packaging.platforms import PYTHON_VERSION, Architecture

# Read by type checkers, test runners and installers only; `.data` is scripts for a PATH.
_NEVER = ("*/tests/*", "*/test/*", "*.pyi", "*/py.typed", "*.data/*")
_LICENSE = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|ThirdPartyNotices)", re.IGNORECASE)
# What vulnerability scanners know a package by; the rest of the folder is for installers.
_KEPT_METADATA = re.compile(r"\.dist-info/(METADATA$|sboms/)")


@dataclass(frozen=True, slots=True)
class Wheel:
    """One distribution, unpacked.

    Attributes:
        name: The distribution's name, normalised as in PEP 503.
        version: Its version.
        license: What its metadata says of its licence, in a few words.
        file_name: The wheel's file name.
        sha256: The wheel's digest.
        contents: Its files by path.
    """

    name: str
    version: str
    license: str
    file_name: str
    sha256: str
    contents: dict[str, bytes]

    def select(self, patterns: Sequence[str] = ("*",)) -> dict[str, bytes]:
        """The files that ship: those that match, and what scanners know the package by."""
        return {
            name: data
            for name, data in self.contents.items()
            if _KEPT_METADATA.search(name)
            or (
                ".dist-info/" not in name
                and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
                and not any(fnmatch.fnmatchcase(name, pattern) for pattern in _NEVER)
            )
        }

    def licenses(self) -> dict[str, bytes]:
        """Licence and notice files by path, without the folders that only say where a wheel keeps them."""
        found = {}
        for name, data in self.contents.items():
            parts = PurePosixPath(name).parts
            inside = ".dist-info" in parts[0]
            if data and _LICENSE.match(parts[-1]) and (inside or len(parts) == 2):
                found["/".join(part for part in parts[1:] if part != "licenses")] = data
        return found


def fetch(requirements: Path, architecture: Architecture, cache: Path) -> list[Wheel]:
    """The wheels that a hash-locked requirements file names, for Lambda's machine and Python.

    Args:
        requirements: Every line pinned and hashed; dependencies are not followed.
        architecture: The machine they are to run on; it need not be this one.
        cache: Where the files are kept, by what they were asked for.

    Raises:
        WheelsUnavailable: pip could not get one of them, or its bytes are not the pinned ones.
    """
    request = hashlib.sha256(requirements.read_bytes() + f"{architecture} {PYTHON_VERSION}".encode())
    folder = cache / f"{architecture}-{request.hexdigest()[:16]}"
    if not folder.exists():
        target = [f"--platform={platform}" for platform in architecture.wheel_platforms]
        download(requirements, [*target, f"--python-version={PYTHON_VERSION}", "--implementation=cp"], folder)
    return sorted((_read(path) for path in folder.glob("*.whl")), key=lambda wheel: wheel.name)


def download(requirements: Path, options: Sequence[str], folder: Path) -> None:
    """Fetch wheels by hash into a folder that does not exist yet.

    Raises:
        WheelsUnavailable: pip could not get one of them, or its bytes are not the pinned ones.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        staging = Path(name) / folder.name
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        pip += ["--require-hashes", "--no-deps", "--only-binary=:all:", *options]
        pip += [f"--requirement={requirements}", f"--dest={staging}"]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            raise WheelsUnavailable(f"pip cannot fetch what {requirements} pins: {_reason(done.stderr)}")
        staging.rename(folder)


def _reason(text: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR")]
    return errors[-1] if errors else text.strip()[-500:]


def _read(path: Path) -> Wheel:
    with zipfile.ZipFile(path) as archive:
        contents = {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    (metadata,) = (data for name, data in contents.items() if name.endswith(".dist-info/METADATA"))
    headers = HeaderParser().parsestr(metadata.decode())
    return Wheel(
        name=re.sub(r"[-_.]+", "-", headers["Name"]).lower(),
        version=headers["Version"],
        license=_license(
            headers["License-Expression"], headers["License"], headers.get_all("Classifier", [])
        ),
        file_name=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        contents=contents,
    )


def _license(expression: str | None, text: str | None, classifiers: Sequence[str]) -> str:
    if expression:
        return expression
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    first = (text or "").strip().splitlines()
    return first[0] if first and len(first[0]) < 60 else ", ".join(named) or "not stated"
