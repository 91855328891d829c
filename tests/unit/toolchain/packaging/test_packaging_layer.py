import shutil
import tarfile
from pathlib import Path

import pytest
from support.projects import EchoCompiler, requirement, write_wheel

from modelet.packaging.archive import Archive
from modelet.packaging.errors import LayerRefused
from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import Architecture

X86_64 = Architecture.X86_64


def files(archive: Archive) -> dict[str, str]:
    with tarfile.open(archive.path) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar if member.isfile()}  # type: ignore[union-attr]


def test_the_runtime_holds_what_its_folder_says_and_bytecode_and_licences(workshop: Workshop) -> None:
    assert set(files(workshop.runtime(X86_64))) == {
        "opt/python/engine/libengine.so.1",
        "opt/python/engine-1.0.dist-info/METADATA",
        "opt/python/helper/__init__.py",
        "opt/python/helper/__pycache__/__init__.cpython-313.pyc",
        "opt/python/helper-1.0.dist-info/METADATA",
        "opt/python/modelet_runtime/__init__.py",
        "opt/python/modelet_runtime/__pycache__/__init__.cpython-313.pyc",
        "opt/licenses/engine/LICENSE",
        "opt/licenses/helper/LICENSE.txt",
        "opt/licenses/runtime.md",
    }


def test_the_list_of_licences_names_every_package(workshop: Workshop) -> None:
    listed = files(workshop.runtime(X86_64))["opt/licenses/runtime.md"]

    assert "| engine | 1.0 | MIT | engine-1.0-cp313-cp313-manylinux_2_28_x86_64.whl |" in listed
    assert "| helper | 1.0 | Apache Software License | helper-1.0-py3-none-any.whl |" in listed


def test_each_architecture_has_its_own_libraries(workshop: Workshop) -> None:
    found = {a: files(workshop.runtime(a))["opt/python/engine/libengine.so.1"] for a in Architecture}

    assert found == {Architecture.X86_64: "x86_64", Architecture.ARM64: "aarch64"}


def test_another_folder_gives_the_same_bytes(
    workshop: Workshop, project: Path, tmp_path: Path, compiler: EchoCompiler
) -> None:
    elsewhere = shutil.copytree(
        project, tmp_path / "somewhere" / "else", ignore=shutil.ignore_patterns(".build")
    )
    other = Workshop(elsewhere, compiler=compiler)

    for here, there in (
        (workshop.runtime(X86_64), other.runtime(X86_64)),
        (workshop.option("image", X86_64), other.option("image", X86_64)),
        (workshop.functions(), other.functions()),
    ):
        assert here.path.read_bytes() == there.path.read_bytes()
        assert (here.inputs, here.sha256) == (there.inputs, there.sha256)


def test_a_second_run_makes_nothing(workshop: Workshop, project: Path) -> None:
    first = workshop.runtime(X86_64)
    compiler = EchoCompiler()

    assert Workshop(project, compiler=compiler).runtime(X86_64) == first
    assert compiler.runs == []


@pytest.mark.parametrize("changed", ["modelet_runtime/__init__.py", "requirements.txt", "layer.toml"])
def test_a_change_of_what_it_is_made_of_makes_it_anew(
    workshop: Workshop, project: Path, changed: str, compiler: EchoCompiler
) -> None:
    before = workshop.runtime(X86_64)
    with (project / "layers/runtime" / changed).open("a") as file:
        file.write("# a change\n")

    assert workshop.runtime(X86_64).inputs != before.inputs
    assert len(compiler.runs) == 2


def test_an_option_is_a_layer_of_its_own(workshop: Workshop) -> None:
    assert workshop.options == ["aws", "image", "text"]
    assert set(files(workshop.option("image", X86_64))) == {
        "opt/python/picture.py",
        "opt/python/picture-1.0.dist-info/METADATA",
        "opt/python/__pycache__/picture.cpython-313.pyc",
        "opt/licenses/picture/LICENSE",
        "opt/licenses/option-image.md",
    }


def test_the_functions_are_the_entry_point_and_the_handlers(workshop: Workshop, project: Path) -> None:
    (project / "functions/batch").mkdir()
    (project / "functions/batch/handler.py").write_text("")
    (project / "functions/catalog").mkdir(exist_ok=True)
    (project / "functions/catalog/handler.py").write_text("")

    sources = {name for name in files(workshop.functions()) if name.endswith(".py")}

    assert sources == {"var/task/entrypoint.py", "var/task/predict/handler.py", "var/task/batch/handler.py"}


def test_refuses_an_option_that_is_not_there(workshop: Workshop) -> None:
    with pytest.raises(LayerRefused, match="no option layer 'sound': there are aws, image, text"):
        workshop.option("sound", X86_64)


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("wheel = 1", "unknown key wheel"),
        ('[wheels]\nengine = ["engine/*.dll"]', "nothing in engine-1.0.* matches"),
        ('[wheels]\nhelpers = ["*"]', "wheels.helpers"),
        ('packages = ["modelet_runtimes"]', "modelet_runtimes"),
    ],
)
def test_refuses_a_definition_that_does_not_fit(
    workshop: Workshop, project: Path, definition: str, reason: str
) -> None:
    (project / "layers/runtime/layer.toml").write_text(definition)

    with pytest.raises(LayerRefused, match=reason):
        workshop.runtime(X86_64)


def test_a_wheel_without_a_licence_text_needs_one_of_the_layers_folder(
    workshop: Workshop, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = project / "wheels"
    digest = write_wheel(wheels, "bare", {"bare.py": "x = 1"}, metadata="License-Expression: MIT")
    folder = project / "layers/options/bare"
    folder.mkdir()
    (folder / "requirements.txt").write_text(requirement("bare", digest))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))

    with pytest.raises(LayerRefused, match=r"bare-1\.0.* holds no licence text \(MIT\).*licenses/bare/"):
        workshop.option("bare", X86_64)

    (folder / "licenses/bare").mkdir(parents=True)
    (folder / "licenses/bare/LICENSE").write_text("be kind")
    assert files(workshop.option("bare", X86_64))["opt/licenses/bare/LICENSE"] == "be kind"


def test_an_option_leaves_out_what_the_runtime_has(workshop: Workshop, project: Path) -> None:
    """A file in both would move all that follows it in the flattened image."""
    requirements = project / "layers/options/image/requirements.txt"
    runtime = (project / "layers/runtime/requirements.txt").read_text()
    helper = next(line for line in runtime.splitlines() if line.startswith("helper"))
    requirements.write_text(f"{requirements.read_text()}{helper}\n")

    option, lower = files(workshop.option("image", X86_64)), files(workshop.runtime(X86_64))

    assert "opt/python/helper/__init__.py" in lower
    assert not set(option) & set(lower)
    assert "| helper | 1.0 |" in option["opt/licenses/option-image.md"]
