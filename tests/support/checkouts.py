"""A checkout with models that are built as far as the CDK app looks at them."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from modelet_runtime.manifest import FILE_NAME, Manifest
from support.manifests import manifest, specs

REPOSITORY = Path(__file__).resolve().parents[2]


def demo(name: str, **changes: object) -> Manifest:
    """A model of one float in, one float out."""
    return manifest(specs(x=("FP32", -1, 3)), specs(y=("FP32", -1, 3)), name=name, **changes)


def make_checkout(root: Path, models: Iterable[Manifest]) -> Path:
    """Lay out models, contexts and functions below `root` as the toolchain leaves them."""
    for part in ("functions", "layers/runtime/modelet_runtime", "cdk.json"):
        _copy(REPOSITORY / part, root / part)
    for model in models:
        add_model(root, model)
    for architecture in ("arm64", "x86_64"):
        _make_catalog(root, architecture)
    return root


def add_model(root: Path, model: Manifest) -> None:
    """Add one version of one model."""
    version = root / "model_artifacts" / model.name / "versions" / str(model.version)
    version.mkdir(parents=True)
    (version / FILE_NAME).write_text(json.dumps(model.to_dict()))
    (version / "golden.json").write_text(json.dumps({"of": model.name, "version": model.version}))
    (version / "passport.json").write_text(json.dumps({"passed": model.proof.passed}))
    if model.target == "gpu":
        served = version / "triton" / model.name
        (served / str(model.version)).mkdir(parents=True)
        (served / "config.pbtxt").write_text(f'name: "{model.name}"\n')
        (served / str(model.version) / "model.onnx").write_text(f"the graph of {model.name} {model.version}")
    images = root / "layers" / ".build" / "images"
    context = images / f"{model.name}-{model.version}-{model.resources.architecture}"
    context.mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM scratch\nADD runtime.tar /\nADD model.tar /\n")
    (context / "model.tar").write_text(f"the files of {model.name} version {model.version}")
    shared = root / "layers" / ".build" / f"runtime-{model.resources.architecture}.tar"
    if not shared.exists():
        shared.write_text(f"the runtime for {model.resources.architecture}")
    (context / "runtime.tar").hardlink_to(shared)


def _make_catalog(root: Path, architecture: str) -> None:
    folder = root / "layers" / ".build" / f"catalog-{architecture}" / "var" / "task"
    for name in ("catalog/handler.py", "catalog/__pycache__/handler.cpython-313.pyc", "orjson/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name} for {architecture}\n")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
