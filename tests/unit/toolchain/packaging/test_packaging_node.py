from pathlib import Path

import pytest

from modelet.packaging.errors import CompilerUnavailable
from modelet.packaging.node import node


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def write_node(folder: Path, version: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "node"
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return path


def test_takes_one_that_is_there(tmp_path: Path) -> None:
    found = write_node(tmp_path / "bin", "v18.0.0")

    assert node(tmp_path / "cache", search=str(tmp_path / "bin")) == found


@pytest.mark.parametrize("version", ["v16.20.2", "not a version"])
def test_passes_over_one_that_is_too_old(tmp_path: Path, version: str) -> None:
    write_node(tmp_path / "bin", version)
    kept = write_node(tmp_path / "cache", "v24.19.0")

    assert node(tmp_path / "cache", search=str(tmp_path / "bin")) == kept


def test_says_what_to_do_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(CompilerUnavailable, match="install Node 18 or newer"):
        node(tmp_path / "cache", search=str(tmp_path))
