import json
import os
import re
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.manifests import manifest
from support.projects import DOCKERFILE

from modelet.packaging import context
from modelet.packaging.context import BASE_BYTES, LAMBDA_LIMIT_BYTES
from modelet.packaging.errors import ImageTooLarge, LayerRefused, VersionIncomplete, VersionUnproven
from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import Architecture
from modelet.repository import Version
from modelet_runtime.manifest import ONNX_FILE, Endpoint, FileDigest, Graph, Proof, Resources

FILES = {"model.ort": b"weights", "model.onnx": b"graph", "golden.json": b"{}", "passport.json": b"{}"}


def write_version(project: Path, name: str, files: dict[str, bytes] = FILES, **changes: Any) -> Version:
    folder = project / "model_artifacts" / name / "versions" / "3"
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    digests = {file: FileDigest(sha256(content).hexdigest(), len(content)) for file, content in files.items()}
    document = manifest((), (), **{"name": name, "version": 3, "files": digests, **changes}).to_dict()
    (folder / "manifest.json").write_text(json.dumps(document))
    return Version(3, folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def test_a_context_is_the_dockerfile_and_the_archives_it_adds(workshop: Workshop, project: Path) -> None:
    staged = context.stage(workshop, write_version(project, "file_type"))

    assert staged.folder == project / "layers/.build/images/file_type-3-x86_64"
    added = set(re.findall(r"^ADD (\S+) /$", (staged.folder / "Dockerfile").read_text(), re.MULTILINE))
    options = {f"options/{name}.tar" for name in workshop.options}
    assert options <= added
    shared = {name for name in added if not name.startswith("options/")}
    assert set(contents(staged.folder)) == {"Dockerfile", *shared, *options}


def test_the_dockerfile_adds_every_option_layer_there_is() -> None:
    root = Path(__file__).parents[4]
    added = re.findall(
        r"^ADD options/(\w+).tar /$", (root / "functions/predict/Dockerfile").read_text(), re.MULTILINE
    )
    assert added == sorted(path.parent.name for path in root.glob("layers/options/*/requirements.txt"))


def test_the_model_goes_along_without_what_only_the_toolchain_reads(
    workshop: Workshop, project: Path
) -> None:
    version = write_version(project, "file_type", {**FILES, "vocabulary.txt": b"a b"})

    staged = context.stage(workshop, version)

    assert members(staged.folder / "model.tar") == {
        "opt/model/manifest.json": (version.folder / "manifest.json").read_bytes(),
        "opt/model/model.ort": b"weights",
        "opt/model/vocabulary.txt": b"a b",
    }


def test_the_form_that_is_loaded_goes_along(workshop: Workshop, project: Path) -> None:
    staged = context.stage(workshop, write_version(project, "file_type", graph=Graph({}, {}, file=ONNX_FILE)))

    assert set(members(staged.folder / "model.tar")) == {"opt/model/manifest.json", "opt/model/model.onnx"}


def test_a_version_that_was_not_proven_is_refused(workshop: Workshop, project: Path) -> None:
    with pytest.raises(VersionUnproven, match="file_type@3 has a passport that failed"):
        context.stage(workshop, write_version(project, "file_type", proof=Proof(passed=False)))


def test_hooks_go_along_with_their_bytecode(workshop: Workshop, project: Path) -> None:
    staged = context.stage(workshop, write_version(project, "file_type", {**FILES, "hooks.py": b"x = 1"}))

    packed = members(staged.folder / "model.tar")
    assert packed["opt/model/__pycache__/hooks.cpython-313.pyc"] == b"compiled x = 1"


def test_a_model_for_the_gpu_has_its_graph_for_the_twin_alone(workshop: Workshop, project: Path) -> None:
    twin = write_version(project, "file_type", target="gpu", endpoint=Endpoint())
    none = write_version(project, "digit_image", target="gpu", endpoint=Endpoint(cpu_twin=False))

    alone = members(context.stage(workshop, none).folder / "model.tar")
    assert set(alone) == {"opt/model/manifest.json"}
    assert set(members(context.stage(workshop, twin).folder / "model.tar")) == {
        "opt/model/manifest.json",
        "opt/model/model.ort",
    }


def test_models_share_everything_but_themselves(workshop: Workshop, project: Path) -> None:
    first = context.stage(workshop, write_version(project, "file_type"))
    second = context.stage(workshop, write_version(project, "digit_image", {"model.ort": b"others"}))

    shared = set(contents(first.folder)) - {"Dockerfile", "model.tar"}
    for name in shared:
        assert os.path.samefile(first.folder / name, second.folder / name)


def test_an_option_layer_is_there_only_for_the_model_that_asks(workshop: Workshop, project: Path) -> None:
    plain = context.stage(workshop, write_version(project, "file_type"))
    picture = context.stage(workshop, write_version(project, "digit_image", layers=["image"]))

    assert members(plain.folder / "options/image.tar") == {}
    assert "opt/python/picture.py" in members(picture.folder / "options/image.tar")
    assert members(picture.folder / "options/text.tar") == {}


def test_what_calls_aws_is_in_every_image(workshop: Workshop, project: Path) -> None:
    plain = context.stage(workshop, write_version(project, "file_type"))
    asking = context.stage(workshop, write_version(project, "digit_image", layers=["aws"]))

    assert "opt/python/cloud.py" in members(plain.folder / "options/aws.tar")
    assert os.path.samefile(plain.folder / "options/aws.tar", asking.folder / "options/aws.tar")


def test_another_models_change_leaves_a_context_as_it_was(workshop: Workshop, project: Path) -> None:
    first = context.stage(workshop, write_version(project, "file_type"))
    before = contents(first.folder)
    (project / "infra").mkdir()
    (project / "infra/app.py").write_text("changed")

    context.stage(workshop, write_version(project, "digit_image"))
    again = context.stage(workshop, first.version)

    assert contents(again.folder) == before


def test_its_own_change_changes_its_model_and_its_labels_alone(workshop: Workshop, project: Path) -> None:
    version = write_version(project, "file_type")
    before = contents(context.stage(workshop, version).folder)
    for path in version.folder.iterdir():
        path.unlink()
    version.folder.rmdir()
    changed = write_version(project, "file_type", {"model.ort": b"better weights"})

    after = contents(context.stage(workshop, changed).folder)

    assert {name for name in after if after[name] != before[name]} == {"Dockerfile", "model.tar"}


def test_nothing_of_an_earlier_context_stays(workshop: Workshop, project: Path) -> None:
    version = write_version(project, "file_type")
    staged = context.stage(workshop, version)
    (staged.folder / "options/old.tar").write_bytes(b"")

    assert "options/old.tar" not in contents(context.stage(workshop, version).folder)


def test_the_labels_say_what_is_inside(workshop: Workshop, project: Path) -> None:
    version = write_version(project, "file_type")
    staged = context.stage(workshop, version)

    arguments = dict(
        re.findall(r"^ARG (\w+)=(\S+)$", (staged.folder / "Dockerfile").read_text(), re.MULTILINE)
    )
    assert arguments == {
        "BASE_IMAGE": re.search(r"BASE_IMAGE=(\S+)", DOCKERFILE.read_text())[1],  # type: ignore[index]
        "MODEL": "file_type",
        "VERSION": "3",
        "MANIFEST_SHA256": sha256((version.folder / "manifest.json").read_bytes()).hexdigest(),
        "RUNTIME_SHA256": sha256((staged.folder / "runtime.tar").read_bytes()).hexdigest(),
    }


def test_the_manifest_names_the_machine_unless_the_caller_does(workshop: Workshop, project: Path) -> None:
    version = write_version(project, "file_type", resources=Resources(architecture="arm64"))

    assert context.stage(workshop, version).folder.name == "file_type-3-arm64"
    assert context.stage(workshop, version, Architecture.X86_64).folder.name == "file_type-3-x86_64"


def test_refuses_a_version_whose_binaries_are_not_here(workshop: Workshop, project: Path) -> None:
    version = write_version(project, "file_type")
    (version.folder / "model.ort").unlink()

    with pytest.raises(
        VersionIncomplete, match=r"file_type@3 has no model\.ort: run `modelet build file_type`"
    ):
        context.stage(workshop, version)


def test_refuses_a_file_that_is_not_the_one_that_was_proven(workshop: Workshop, project: Path) -> None:
    version = write_version(project, "file_type")
    (version.folder / "model.ort").write_bytes(b"wEights")

    with pytest.raises(VersionIncomplete, match=r"model\.ort is not what manifest\.json says"):
        context.stage(workshop, version)


def of_size(project: Path, name: str, size_bytes: int) -> Version:
    """A version whose manifest speaks of a model that large."""
    version = write_version(project, name, files={})
    document = json.loads((version.folder / "manifest.json").read_text())
    document["files"] = {"model.ort": {"sha256": "0" * 64, "bytes": size_bytes}}
    (version.folder / "manifest.json").write_text(json.dumps(document))
    return version


def test_refuses_an_image_that_lambda_would_refuse_before_copying_the_model(
    workshop: Workshop, project: Path
) -> None:
    """Base, shared layers and model count together."""
    shared = context.stage(workshop, write_version(project, "file_type"))
    shared_bytes = shared.content_bytes - shared.parts["model.tar"].content_bytes
    most = LAMBDA_LIMIT_BYTES - BASE_BYTES - shared_bytes

    with pytest.raises(
        ImageTooLarge, match=r"9\.00 GB, with 0\.00 GB of layers and 1\.00 GB for the base 10\."
    ):
        context.stage(workshop, of_size(project, "too_large", most + 1))
    with pytest.raises(VersionIncomplete):
        context.stage(workshop, of_size(project, "just_fits", most))
    assert [path.name for path in (project / "layers/.build/models").glob("*.tar")] == ["file_type-3.tar"]


def test_refuses_an_option_layer_that_is_not_there(workshop: Workshop, project: Path) -> None:
    with pytest.raises(LayerRefused, match="no option layer sound: there are aws, image, text"):
        context.stage(workshop, write_version(project, "file_type", layers=["sound"]))


class TestDockerfile:
    """The one that ships."""

    lines = DOCKERFILE.read_text().splitlines()

    def test_adds_in_the_order_of_change_with_the_model_last_and_runs_nothing(self) -> None:
        steps = [line for line in self.lines if re.match(r"(FROM|ADD|COPY|RUN) ", line)]
        options = [
            path.parent.name for path in (DOCKERFILE.parents[2] / "layers/options").glob("*/requirements.txt")
        ]

        assert steps == [
            "FROM ${BASE_IMAGE}",
            "ADD runtime.tar /",
            *(f"ADD options/{name}.tar /" for name in sorted(options)),
            "ADD functions.tar /",
            "ADD model.tar /",
        ]

    def test_starts_python_without_a_shell(self) -> None:
        for instruction in ("ENTRYPOINT", "CMD"):
            (line,) = (line for line in self.lines if line.startswith(f"{instruction} "))
            assert isinstance(json.loads(line.removeprefix(instruction)), list)

    def test_pins_the_base(self) -> None:
        (line,) = (line for line in self.lines if line.startswith("ARG BASE_IMAGE="))
        assert re.fullmatch(r"ARG BASE_IMAGE=public\.ecr\.aws/lambda/python:3\.13\.20\d\d(\.\d\d){3}", line)

    def test_permits_snapshots(self) -> None:
        assert 'com.amazonaws.lambda.feature.snapstart="Allow"' in DOCKERFILE.read_text()
