"""The build context of one model version: a folder that `docker build` needs nothing besides.

    layers/.build/images/<model>-<version>-<architecture>/
      Dockerfile          functions/predict/Dockerfile with this model's labels filled in
      runtime.tar         /opt/python, /opt/licenses: the same file (hard link) in every context
      options/<name>.tar  /opt/python of an option layer; without content where the model takes none
      functions.tar       /var/task: the handlers; the same file in every context
      model.tar           /opt/model: the files of the version folder that a function reads

`infra/` gives this folder to `cdk deploy` as it is, with `predict.handler.handler` or
`batch.handler.handler` as the command; `modelet image --context --all`, the build step of `cdk.json`,
stages it. Its bytes depend on this model's files, the shared archives and the Dockerfile only, so neither
another model nor `infra/` changes the asset's hash. Decision 0070 says why the parts are archives.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelet.packaging.archive import Archive
from modelet.packaging.errors import ImageTooLarge, LayerRefused, VersionIncomplete, VersionUnproven
from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import Architecture
from modelet.repository import Version
from modelet_runtime.manifest import FILE_NAME, ONNX_FILE, ORT_FILE

MODEL = "opt/model"
# The option layers of every image: any model may have jobs, which call AWS. Decision 0196.
IN_EVERY_IMAGE = frozenset({"aws"})
# What people and the toolchain read; of the graph's two forms the function loads one, or none.
_TOOLCHAIN_ONLY = frozenset({ORT_FILE, ONNX_FILE, "golden.json", "passport.json", "README.md"})
# Uncompressed, all layers together.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/images-create.html
LAMBDA_LIMIT_BYTES = 10 * 1000**3
# What is kept free for the base, whose size only its registry knows.
BASE_BYTES = 10**9
_DOCKERFILE = Path("functions/predict/Dockerfile")


@dataclass(frozen=True, slots=True)
class Context:
    """A staged build context.

    Attributes:
        folder: What to build.
        version: The model version in it.
        architecture: The machine it is for.
        parts: Its archives by name, in the order of the image's layers.
    """

    folder: Path
    version: Version
    architecture: Architecture
    parts: Mapping[str, Archive]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.version.manifest.name

    @property
    def content_bytes(self) -> int:
        """What the image adds to its base."""
        return sum(part.content_bytes for part in self.parts.values())


def stage(workshop: Workshop, version: Version, architecture: Architecture | None = None) -> Context:
    """Make the build context of a version.

    Args:
        workshop: Where the shared layers come from, and where the context goes.
        version: What to pack.
        architecture: The machine; by default the one the manifest names.

    Raises:
        VersionIncomplete: Its files are not there, or not those of the manifest.
        VersionUnproven: Its passport failed, and nobody accepted that.
        LayerRefused: It asks for an option layer that does not exist.
        ImageTooLarge: Lambda would refuse it.
    """
    manifest = version.manifest
    machine = architecture or Architecture(manifest.resources.architecture)
    _check_proof(version)
    shared = _shared(workshop, version, machine)
    _check_size(version, sum(part.content_bytes for part in shared.values()))
    parts = {**shared, "model.tar": _model(workshop, version)}
    folder = workshop.build / "images" / f"{manifest.name}-{version.number}-{machine}"
    context = Context(folder, version, machine, parts)
    _lay_out(context, (workshop.root / _DOCKERFILE).read_text())
    return context


def _check_proof(version: Version) -> None:
    if not version.is_proven:
        name = version.manifest.name
        raise VersionUnproven(
            f"{_label(version)} has a passport that failed",
            f"see `modelet show {name}@{version.number}`, or record why it is good enough with"
            f' `modelet build {name} --accept "..."`',
        )


def _check_size(version: Version, shared_bytes: int) -> None:
    """Refuse an image that Lambda would, before the model's bytes are copied anywhere."""
    own_bytes = sum(version.manifest.files[name].bytes for name in _shipped(version))
    size_bytes = BASE_BYTES + shared_bytes + own_bytes
    if size_bytes > LAMBDA_LIMIT_BYTES:
        raise ImageTooLarge(
            f"{_label(version)} is {own_bytes / 1e9:.2f} GB, with {shared_bytes / 1e9:.2f} GB of layers and"
            f" {BASE_BYTES / 1e9:.2f} GB for the base {size_bytes / 1e9:.2f} GB, and Lambda takes images of"
            f" {LAMBDA_LIMIT_BYTES / 1e9:.0f} GB",
            'quantise it, or serve it with target = "gpu"',
        )


def _shared(workshop: Workshop, version: Version, architecture: Architecture) -> dict[str, Archive]:
    """What the image has in common with others."""
    asked = version.manifest.layers
    if unknown := sorted(set(asked) - set(workshop.options)):
        raise LayerRefused(
            f"{_label(version)}: layers: there is no option layer {', '.join(unknown)}",
            f"there are {', '.join(workshop.options)}",
        )
    wanted = {*asked, *IN_EVERY_IMAGE}
    options = {
        f"options/{name}.tar": workshop.option(name, architecture) if name in wanted else workshop.nothing()
        for name in workshop.options
    }
    return {
        "runtime.tar": workshop.runtime(architecture),
        **options,
        "functions.tar": workshop.functions(),
    }


def _model(workshop: Workshop, version: Version) -> Archive:
    if missing := version.missing_files():
        remedy = f"run `modelet build {version.manifest.name}`"
        raise VersionIncomplete(f"{_label(version)} has no {', '.join(missing)}", remedy)
    files = [FILE_NAME, *_shipped(version)]

    def tree() -> dict[str, Path]:
        if changed := version.changed_files():
            what = f"{_label(version)}: {', '.join(changed)} is not what manifest.json says"
            raise VersionIncomplete(what, "restore it, or build a new version")
        return {f"{MODEL}/{name}": version.folder / name for name in files}

    name = f"{version.manifest.name}-{version.number}.tar"
    return workshop.kept(workshop.build / "models" / name, f"{_manifest_sha256(version)} {files}", tree)


def _shipped(version: Version) -> list[str]:
    """The files of a version that its function reads, besides the manifest."""
    manifest = version.manifest
    loads_graph = manifest.endpoint is None or manifest.endpoint.cpu_twin
    loaded = {manifest.graph.file} if loads_graph else set()
    return sorted(set(manifest.files) - (_TOOLCHAIN_ONLY - loaded))


def _label(version: Version) -> str:
    return f"{version.manifest.name}@{version.number}"


def _lay_out(context: Context, dockerfile: str) -> None:
    """Write the folder anew, so that nothing of an earlier one stays."""
    context.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=context.folder.parent, prefix=f".{context.folder.name}.") as name:
        staging = Path(name) / context.folder.name
        for part, archive in context.parts.items():
            _link(archive.path, staging / part)
        (staging / "Dockerfile").write_text(_filled_in(dockerfile, context))
        shutil.rmtree(context.folder, ignore_errors=True)
        staging.rename(context.folder)


def _filled_in(dockerfile: str, context: Context) -> str:
    """Give the arguments without a default the values of this context."""
    values = {
        "MODEL": context.name,
        "VERSION": str(context.version.number),
        "MANIFEST_SHA256": _manifest_sha256(context.version),
        "RUNTIME_SHA256": context.parts["runtime.tar"].sha256,
    }
    return re.sub(
        r"^ARG (\w+)$", lambda match: f"ARG {match[1]}={values[match[1]]}", dockerfile, flags=re.MULTILINE
    )


def _manifest_sha256(version: Version) -> str:
    return hashlib.sha256((version.folder / FILE_NAME).read_bytes()).hexdigest()


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
