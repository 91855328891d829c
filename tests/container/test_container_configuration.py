"""How an image says it is to be run, and for which machine it is."""

import re
import shutil

import pytest
from support.containers import Built, Store
from support.oci import Image

from modelet.packaging import builder, context
from modelet.packaging.layer import Workshop
from modelet.packaging.platforms import Architecture
from modelet.repository import Repository


@pytest.fixture
def image(opened: dict[str, Image]) -> Image:
    return opened["demo_picture"]


def test_is_one_image_for_one_platform(image: Image) -> None:
    assert image.descriptor["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert (image.config["os"], image.config["architecture"]) == ("linux", "amd64")


def test_starts_python_and_names_no_user(image: Image) -> None:
    config = image.config["config"]

    assert config["Entrypoint"] == ["python3", "-m", "entrypoint"]
    assert config["Cmd"] == ["predict.handler.handler"]
    assert config["WorkingDir"] == "/var/task"
    # Lambda brings its own user; SageMaker wants root.
    assert "User" not in config


def test_the_labels_name_the_version(images: dict[str, Built], opened: dict[str, Image]) -> None:
    labels = opened["demo_sum"].config["config"]["Labels"]

    assert labels["org.opencontainers.image.title"] == "demo_sum"
    assert labels["org.opencontainers.image.version"] == "1"
    assert labels["modelet.runtime.sha256"] == images["demo_sum"].context.parts["runtime.tar"].sha256
    assert labels["com.amazonaws.lambda.feature.snapstart"] == "Allow"


def test_builds_for_arm_on_this_machine(
    store: Store, repository: Repository, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing runs while the image is built, so no emulation is needed; the base is only a name here."""
    staged = context.stage(workshop, repository.model("demo_picture").version(1), Architecture.ARM64)
    for variable, value in store.environment.items():
        monkeypatch.setenv(variable, value)
    builder.build(staged, "localhost/arm:1", str(shutil.which("buildah")), "scratch")

    image = store.image("localhost/arm:1")

    assert image.config["architecture"] == "arm64"
    libraries = [
        (layer, name) for layer in image.layers for name in layer.files if re.search(r"\.so(\.|$)", name)
    ]
    assert len(libraries) > 10
    # The machine in the header of an ELF file; 183 is AArch64.
    assert {int.from_bytes(layer.read(name)[18:20], "little") for layer, name in libraries} == {183}
