"""Which bytes the images share, and that building them again makes no others."""

import os
import shutil
from pathlib import Path

import pytest
from support.containers import BASE_IMAGE, Built, Store, open_store
from support.oci import CHUNK_BYTES, Image

from modelet.packaging import builder, context
from modelet.packaging.archive import EPOCH_S
from modelet.packaging.layer import Workshop
from modelet.repository import Repository

MIB = 1024 * 1024
# The layers of an image: base, runtime, those of layers/options in order of name, functions, model.
RUNTIME, MODEL = 1, -1
_FIRST_OPTION = RUNTIME + 1


def digests(image: Image) -> list[str]:
    return [layer.digest for layer in image.layers]


class TestSharing:
    def test_plain_models_share_every_layer_but_the_last(self, opened: dict[str, Image]) -> None:
        first, second = (digests(opened[name]) for name in ("demo_softmax", "demo_sum"))

        assert len(first) == len(second)
        assert first[:MODEL] == second[:MODEL]
        assert first[MODEL] != second[MODEL]

    def test_a_project_model_shares_every_layer_but_the_last_with_a_model_of_its_options(
        self, opened: dict[str, Image]
    ) -> None:
        image, other = opened["file_type"], self.peer(opened, "file_type")

        assert digests(image)[:MODEL] == digests(other)[:MODEL]

    def peer(self, opened: dict[str, Image], name: str) -> Image:
        """The image of another model that takes the same option layers."""
        lower = digests(opened[name])[:MODEL]
        return next(o for other, o in opened.items() if other != name and digests(o)[:MODEL] == lower)

    def test_no_file_is_in_two_layers(self, opened: dict[str, Image]) -> None:
        """The one above would move what follows it in the flattened file system, and change shared chunks."""
        for name, image in opened.items():
            files = [file for layer in image.layers[RUNTIME:] for file in layer.files]
            assert len(files) == len(set(files)), name

    @pytest.mark.parametrize(
        ("model", "option"), [("demo_picture", "image"), ("demo_text", "text"), ("demo_sound", None)]
    )
    def test_an_option_layer_is_the_only_other_difference(
        self, opened: dict[str, Image], workshop: Workshop, model: str, option: str | None
    ) -> None:
        plain, other = (digests(opened[name]) for name in ("demo_sum", model))

        differ = {number for number, (a, b) in enumerate(zip(plain, other, strict=True)) if a != b}
        taken = {_FIRST_OPTION + workshop.options.index(option)} if option else set()
        assert differ == {*taken, len(plain) - 1}

    def test_a_model_has_as_many_bytes_of_its_own_as_its_files(self, opened: dict[str, Image]) -> None:
        image, other = opened["file_type"], self.peer(opened, "file_type")
        shared = {layer.digest for layer in other.layers}

        unique = sum(layer.path.stat().st_size for layer in image.layers if layer.digest not in shared)

        assert unique <= image.layers[MODEL].content_bytes + MIB

    def test_and_so_have_the_chunks_of_the_flattened_file_system(self, opened: dict[str, Image]) -> None:
        image, other = opened["file_type"], self.peer(opened, "file_type")

        unique = image.chunks() - other.chunks()

        assert len(unique) * CHUNK_BYTES <= image.layers[MODEL].content_bytes + MIB


class TestReproducibility:
    @pytest.mark.parametrize("tool", ["podman", "buildah"])
    def test_another_machine_builds_the_same_image(
        self,
        images: dict[str, Built],
        opened: dict[str, Image],
        repository: Repository,
        workshop: Workshop,
        tmp_path: Path,
        tool: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Another folder, file times, umask and store; the same bytes down to the configuration."""
        elsewhere = shutil.copytree(workshop.root / "functions", tmp_path / "functions").parent
        shutil.copytree(
            workshop.root / "layers", tmp_path / "layers", ignore=shutil.ignore_patterns(".build")
        )
        previous = os.umask(0o077)
        try:
            other = Workshop(elsewhere)
            staged = context.stage(other, repository.model("demo_picture").version(1))
            with open_store() as store:
                for variable, value in store.environment.items():
                    monkeypatch.setenv(variable, value)
                path = shutil.which(tool)
                assert path
                builder.build(staged, "localhost/again:1", path, BASE_IMAGE)
                again = store.image("localhost/again:1")
        finally:
            os.umask(previous)

        assert digests(again) == digests(opened["demo_picture"])
        assert again.digest == opened["demo_picture"].digest

    def test_a_build_without_any_option_of_ours_makes_the_same_layers(
        self, store: Store, images: dict[str, Built], opened: dict[str, Image], tmp_path: Path
    ) -> None:
        """As `cdk deploy` builds: from a copy, with a tag and a platform and nothing else that matters."""
        copied = shutil.copytree(
            images["demo_sum"].context.folder, tmp_path / "asset", copy_function=shutil.copyfile
        )
        options = ("--no-cache", "--platform=linux/amd64", f"--build-arg=BASE_IMAGE={BASE_IMAGE}")
        store.run("podman", "build", *options, "--tag=localhost/asset:1", str(copied))

        assert digests(store.image("localhost/asset:1")) == digests(opened["demo_sum"])

    def test_every_file_is_roots_readable_by_all_and_of_one_time(self, opened: dict[str, Image]) -> None:
        for layer in opened["demo_picture"].layers[RUNTIME:]:
            for member in layer.members:
                assert (member.uid, member.gid, member.mtime) == (0, 0, EPOCH_S), member.name
                assert member.mode & 0o7777 == (0o755 if member.isdir() else 0o644), member.name
