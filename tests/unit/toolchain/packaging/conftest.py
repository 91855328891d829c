import shutil
from pathlib import Path

import pytest
from support.projects import EchoCompiler, write_project

from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import Architecture


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip finds anything."""
    return _only_index(tmp_path / "wheels", monkeypatch)


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose wheels have been fetched, as pip takes a second each time."""
    folder = tmp_path_factory.mktemp("packaging")
    with pytest.MonkeyPatch.context() as monkeypatch:
        wheels = _only_index(folder / "wheels", monkeypatch)
        workshop = Workshop(write_project(folder / "project", wheels), compiler=EchoCompiler())
        for architecture in Architecture:
            workshop.runtime(architecture)
        for option in workshop.options:
            workshop.option(option, Architecture.X86_64)
    return folder / "project"


@pytest.fixture
def project(fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the test's own, with nothing made yet but the wheels."""
    _only_index(fetched.parent / "wheels", monkeypatch)
    folder = shutil.copytree(fetched, tmp_path / "project")
    for archive in (folder / "layers/.build").glob("*.*"):
        archive.unlink()
    return folder


@pytest.fixture
def compiler() -> EchoCompiler:
    return EchoCompiler()


@pytest.fixture
def workshop(project: Path, compiler: EchoCompiler) -> Workshop:
    return Workshop(project, compiler=compiler)


def _only_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder
