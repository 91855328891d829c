"""What the zip functions are made of: folders of `functions/`, and for the catalog one with an index."""

import json
from collections.abc import Iterable

from infra.assets import Files, files_of
from infra.constructs.catalog_function import INDEX
from infra.errors import NotBuilt
from infra.fleet import BUILD, FleetModel
from infra.sources import Sources


def function(sources: Sources, name: str) -> Files:
    """A folder of `functions/`, which needs nothing that Lambda does not bring."""
    return {f"{name}/{path}": content for path, content in files_of(sources.functions / name).items()}


def catalog(sources: Sources, architecture: str, fleet: Iterable[FleetModel]) -> Files:
    """The catalog function as the toolchain laid it out, and the manifests it speaks of.

    Raises:
        NotBuilt: The toolchain has not.
    """
    folder = sources.catalog(architecture)
    if not folder.is_dir():
        raise NotBuilt(f"{folder} is missing: make it with `{BUILD}`")
    return {**files_of(folder, with_bytecode=True), INDEX: index(fleet)}


def index(fleet: Iterable[FleetModel]) -> bytes:
    """The manifests of all versions that can be called, and which are live, as the catalog reads them."""
    models = list(fleet)
    manifests = [version.manifest.to_dict() for model in models for version in model.versions]
    return json.dumps({"models": manifests, "live": {m.name: m.live.number for m in models}}).encode()
