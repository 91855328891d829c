import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.artifacts import write_version
from support.graphs import identity

from modelet.repository import ModelFolder
from modelet_runtime.manifest import FILE_NAME, Proof


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., ModelFolder]:
    """A model with complete, proven versions, numbered from 1; `protos` gives one a graph of its own."""

    def make(versions: int = 3, **protos) -> ModelFolder:
        for number in range(1, versions + 1):
            folder = tmp_path / "demo_model" / "versions" / str(number)
            write_version(folder, protos.get(f"v{number}", identity()), version=number)
        return ModelFolder(tmp_path / "demo_model")

    return make


@pytest.fixture
def unprove() -> Callable[[ModelFolder, int], None]:
    """Have a version's passport fail."""

    def unprove(model: ModelFolder, number: int, accepted: str = "") -> None:
        version = model.version(number)
        manifest = replace(version.manifest, proof=Proof(False, accepted))
        (version.folder / FILE_NAME).write_text(json.dumps(manifest.to_dict()))

    return unprove
