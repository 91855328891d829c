"""The folder of which `infra/` makes the catalog's zip archive."""

from pathlib import Path

import pytest
from support.projects import EchoCompiler

from modelet.packaging import catalog
from modelet.packaging.errors import LayerRefused
from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import Architecture

X86_64 = Architecture.X86_64


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_what_the_function_imports_with_bytecode_and_licences(workshop: Workshop) -> None:
    folder = catalog.stage(workshop, X86_64, ["helper"])

    assert folder == workshop.build / "catalog-x86_64/var/task"
    assert files(folder) == {
        "catalog/handler.py",
        "catalog/__pycache__/handler.cpython-313.pyc",
        "catalog/page.html",
        "modelet_runtime/__init__.py",
        "modelet_runtime/__pycache__/__init__.cpython-313.pyc",
        "helper/__init__.py",
        "helper/__pycache__/__init__.cpython-313.pyc",
        "helper-1.0.dist-info/METADATA",
        "opt/licenses/helper/LICENSE.txt",
        "opt/licenses/catalog.md",
    }


def test_it_is_made_again_when_a_handler_changes_and_only_then(
    workshop: Workshop, compiler: EchoCompiler
) -> None:
    catalog.stage(workshop, X86_64, ["helper"])
    catalog.stage(workshop, X86_64, ["helper"])
    assert len(compiler.runs) == 1

    (workshop.root / "functions/catalog/handler.py").write_text("import helper.types\n")
    folder = catalog.stage(workshop, X86_64, ["helper"])
    assert len(compiler.runs) == 2
    assert (folder / "catalog/handler.py").read_text() == "import helper.types\n"


def test_a_package_that_the_runtime_does_not_pin_is_refused(workshop: Workshop) -> None:
    with pytest.raises(LayerRefused, match="the catalog needs flask, requests"):
        catalog.stage(workshop, X86_64, ["requests", "helper", "flask"])


def test_the_projects_own_runtime_pins_all_that_the_catalog_imports() -> None:
    requirements = (Path(__file__).parents[4] / "layers/runtime/requirements.txt").read_text()
    for name in catalog.IMPORTS:
        assert f"\n{name}==" in f"\n{requirements}"
