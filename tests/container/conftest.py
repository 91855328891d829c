import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnx import TensorProto, helper
from support import graphs
from support.artifacts import write_version
from support.built import built_here
from support.containers import BASE_IMAGE, CACHE, Built, Store, open_store
from support.oci import Image

from modelet import paths
from modelet.packaging import builder, context
from modelet.packaging.layer import Workshop
from modelet.repository import Repository
from modelet_runtime.manifest import Resources, Step


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A copy of what ships, as it is now; its layers are kept between runs, apart from the project's."""
    root = tmp_path_factory.mktemp("project")
    for part in ("functions", "layers"):
        shutil.copytree(
            paths.root() / part, root / part, ignore=shutil.ignore_patterns(".build", "__pycache__")
        )
    return Workshop(root, CACHE / "build")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The project's own models; two plain ones, one that takes pictures and little memory, text and sound."""
    root = tmp_path_factory.mktemp("models")
    write_version(root / "demo_sum/versions/1", graphs.add_and_scale(), "demo_sum")
    write_version(root / "demo_softmax/versions/1", graphs.softmax(), "demo_softmax")
    files = ("aws", "columns")
    write_version(root / "demo_files/versions/1", graphs.softmax(), "demo_files", layers=files)
    mean = graphs.model(
        [
            helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["values", "axes"], ["mean"], keepdims=0),
        ],
        [graphs.value("pixels", TensorProto.UINT8, ("n", 8, 8, 3))],
        [graphs.value("mean", TensorProto.FLOAT, ("n", 3))],
        [helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])],
    )
    write_version(
        root / "demo_picture/versions/1",
        mean,
        "demo_picture",
        input_steps=(Step("image", {"mode": "RGB"}),),
        layers=("image",),
        resources=Resources(memory_mib=256),
    )
    _write_text(root / "demo_text/versions/1")
    _write_sound(root / "demo_sound/versions/1")
    for model in Repository(paths.root() / paths.MODELS).models():
        version = built_here(model)
        if version is None:
            continue
        (root / model.name / "versions").mkdir(parents=True)
        (root / model.name / "versions" / str(version.number)).symlink_to(version.folder)
    return Repository(root)


def _write_text(folder: Path) -> None:
    """A model that takes texts, with the smallest tokenizer there is."""
    tokenizer = (paths.root() / "tests/golden/steps/wordpiece.json").read_bytes()
    write_version(
        folder,
        graphs.masked_sum(),
        "demo_text",
        assets={"tokenizer.json": tokenizer},
        input_steps=(Step("text"),),
        layers=("text",),
    )


def _write_sound(folder: Path) -> None:
    """A model that takes sound, and answers how loud it is."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    loudness = graphs.model(
        [helper.make_node("ReduceL2", ["wave", "axes"], ["loudness"], keepdims=0)],
        [graphs.value("wave", TensorProto.FLOAT, ("n", "samples"))],
        [graphs.value("loudness", TensorProto.FLOAT, ("n",))],
        [axes],
    )
    write_version(folder, loudness, "demo_sound", input_steps=(Step("audio", {"rate": 8_000}),))


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    with open_store() as opened:
        yield opened


@pytest.fixture(scope="session")
def images(store: Store, repository: Repository, workshop: Workshop) -> dict[str, Built]:
    """An image of each model, as `modelet image` builds it."""
    podman = shutil.which("podman")
    assert podman, "run tests/container/setup.sh"
    built = {}
    for model in repository.models():
        (version,) = model.versions()
        staged = context.stage(workshop, version)
        built[model.name] = Built(f"localhost/modelet/{model.name}:1", staged)
        with pytest.MonkeyPatch.context() as environment:
            for variable, value in store.environment.items():
                environment.setenv(variable, value)
            builder.build(staged, built[model.name].name, podman, BASE_IMAGE)
    return built


@pytest.fixture(scope="session")
def opened(store: Store, images: dict[str, Built]) -> dict[str, Image]:
    """What is in the images."""
    return {name: store.image(built.name) for name, built in images.items()}
