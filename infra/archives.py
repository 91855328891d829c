"""What the zip functions are made of: folders of `functions/`, and for the catalog wheels and an index."""

import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from infra.assets import Files, files_of
from infra.constructs.catalog_function import INDEX
from infra.errors import NotBuilt
from infra.fleet import FleetModel
from infra.sources import Sources

# What the catalog imports beside the runtime; the wheels are those of the runtime layer.
_CATALOG_WHEELS = ("aws-lambda-powertools", "jmespath", "orjson", "pybase64", "typing-extensions")
_RUNTIME = "modelet_runtime"


def function(sources: Sources, name: str) -> Files:
    """A folder of `functions/`, which needs nothing that Lambda does not bring."""
    return {f"{name}/{path}": content for path, content in files_of(sources.functions / name).items()}


def catalog(sources: Sources, architecture: str, fleet: Iterable[FleetModel]) -> Files:
    """The catalog function with all it imports, and the manifests it speaks of.

    Raises:
        NotBuilt: The wheels of the runtime layer have not been fetched.
    """
    files: dict[str, Path | bytes] = dict(function(sources, "catalog"))
    runtime = sources.runtime_layer / _RUNTIME
    files |= {f"{_RUNTIME}/{path}": content for path, content in files_of(runtime).items()}
    for wheel in _wheels(sources, architecture):
        with zipfile.ZipFile(wheel) as archive:
            files |= {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    files[INDEX] = index(fleet)
    return files


def index(fleet: Iterable[FleetModel]) -> bytes:
    """The manifests of all versions that can be called, and which are live, as the catalog reads them."""
    models = list(fleet)
    manifests = [version.manifest.to_dict() for model in models for version in model.versions]
    return json.dumps({"models": manifests, "live": {m.name: m.live.number for m in models}}).encode()


def _wheels(sources: Sources, architecture: str) -> list[Path]:
    """The wheels `modelet layer` fetched, in the versions that the lock file names."""
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", sources.requirements.read_text(), re.MULTILINE))
    found = []
    for name in _CATALOG_WHEELS:
        pattern = f"{architecture}-*/{name.replace('-', '_')}-{locked[name]}-*.whl"
        wheel = next(iter(sorted(sources.wheels.glob(pattern))), None)
        if wheel is None:
            raise NotBuilt(
                f"there is no {pattern} in {sources.wheels}: run `modelet layer --arch {architecture}`"
            )
        found.append(wheel)
    return found
