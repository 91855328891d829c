"""A model's image changes with its own files and with nothing else: shown by real synths of copies."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.assemblies import Assembly, synthesise
from support.checkouts import add_model, demo, make_checkout

from infra.assets import Assets, files_of
from infra.config import DEV
from infra.sources import Sources
from modelet_runtime.manifest import Resources

A, B = "model-a-a", "model-b-b"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = [demo("a_a"), demo("b_b"), demo("c_c", resources=Resources(architecture="arm64"))]
    return make_checkout(tmp_path_factory.mktemp("original"), models)


@pytest.fixture(scope="module")
def before(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(original, DEV, tmp_path_factory.mktemp("before"))


@pytest.fixture
def after(original: Path, tmp_path: Path) -> Callable[[Callable[[Sources], None]], Assembly]:
    """The assembly of a copy of the checkout that was changed."""

    def synth(change: Callable[[Sources], None]) -> Assembly:
        shutil.copytree(original, tmp_path / "copy")
        change(Sources(tmp_path / "copy"))
        return synthesise(tmp_path / "copy", DEV, tmp_path / "out")

    return synth


def images(assembly: Assembly) -> dict[str, list[str]]:
    return {part: sorted(assembly.images(part)) for part in assembly.parts if part.startswith("model-")}


def write(path: Path, text: str) -> None:
    """Write a file anew, with the time it had: build contexts have fixed times."""
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns) if path.exists() else None
    path.unlink(missing_ok=True)
    path.write_text(text)
    if times:
        os.utime(path, ns=times)


def test_a_copy_elsewhere_has_the_same_images(before: Assembly, after):
    assert images(after(lambda _: None)) == images(before)


def test_another_model_changes_only_its_own(before: Assembly, after):
    def change(sources: Sources) -> None:
        write(sources.contexts / "b_b-1-x86_64" / "model.tar", "other weights")

    changed = images(after(change))
    assert changed.pop(B) != images(before)[B]
    assert changed == {part: digests for part, digests in images(before).items() if part != B}


def test_a_new_model_changes_none(before: Assembly, after):
    changed = images(after(lambda sources: add_model(sources.root, demo("d_d"))))
    assert {part: changed[part] for part in images(before)} == images(before)


def test_the_app_itself_changes_none(before: Assembly, after, original: Path, tmp_path: Path):
    # What infra/ makes of a model, and its own bytecode and settings, are no part of its image.
    settings = replace(DEV, snap_start=True, log_retention_days=90, tracing=True)
    assert images(synthesise(original, settings, tmp_path / "other")) == images(before)


def test_the_runtime_layer_changes_all_of_its_architecture(before: Assembly, after):
    def change(sources: Sources) -> None:
        for context in sources.contexts.glob("*-x86_64"):
            write(context / "runtime.tar", "a newer runtime")

    changed = images(after(change))
    differ = {part for part in changed if changed[part] != images(before)[part]}
    assert differ == {A, B}


def test_equal_sizes_and_times_do_not_hide_a_change(before: Assembly, after):
    # The cache of the CDK's own fingerprints goes by inode, time and size.
    def change(sources: Sources) -> None:
        path = sources.contexts / "a_a-1-x86_64" / "model.tar"
        write(path, path.read_text().swapcase())

    assert images(after(change))[A] != images(before)[A]


def test_handlers_of_zip_functions_change_no_image(before: Assembly, after):
    def change(sources: Sources) -> None:
        for architecture in ("arm64", "x86_64"):
            (sources.catalog(architecture) / "catalog/handler.py").write_text("# another catalog\n")

    changed = after(change)
    assert images(changed) == images(before)
    assert set(changed.archives("catalog")) != set(before.archives("catalog"))


class TestStaging:
    def test_a_context_is_there_whole(self, before: Assembly, original: Path):
        (image,) = before.images(A).values()
        staged = before.folder / image["source"]["directory"]
        context = Sources(original).contexts / "a_a-1-x86_64"
        assert {path.name: path.read_bytes() for path in staged.iterdir()} == {
            path.name: path.read_bytes() for path in context.iterdir()
        }
        assert image["source"]["dockerFile"] == "Dockerfile"
        assert image["source"]["platform"] == "linux/amd64"

    def test_the_platform_is_the_functions(self, before: Assembly):
        (image,) = before.images("model-c-c").values()
        assert image["source"]["platform"] == "linux/arm64"

    def test_what_models_share_takes_its_space_once(self, before: Assembly):
        staged = [
            before.folder / image["source"]["directory"]
            for part in (A, B)
            for image in before.images(part).values()
        ]
        assert os.path.samefile(staged[0] / "runtime.tar", staged[1] / "runtime.tar")

    def test_bytecode_of_a_run_is_left_out(self, tmp_path: Path):
        (tmp_path / "__pycache__").mkdir()
        (tmp_path / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"")
        (tmp_path / "a.py").write_text("")
        assert list(files_of(tmp_path)) == ["a.py"]

    def test_what_an_earlier_synth_left_is_gone(self, original: Path, tmp_path: Path):
        assembly = synthesise(original, DEV, tmp_path)
        (image,) = assembly.images(A).values()
        folder = tmp_path / image["source"]["directory"]
        (folder / "left").write_text("")
        (tmp_path / "image.0").mkdir()
        synthesise(original, DEV, tmp_path)
        assert not (folder / "left").exists()
        assert not (tmp_path / "image.0").exists()
        assert folder.is_dir()

    def test_without_hard_links_files_are_copied(self, monkeypatch, tmp_path: Path):
        def refuse(*_: object) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", refuse)
        (tmp_path / "a.py").write_text("x")
        name = Assets(tmp_path / "out")._stage("function.0", {"b/a.py": tmp_path / "a.py"})
        assert (tmp_path / "out" / name / "b" / "a.py").read_text() == "x"


class TestCatalogArchive:
    @pytest.fixture
    def folder(self, before: Assembly) -> Path:
        (archive,) = before.archives("catalog").values()
        return before.folder / archive["source"]["path"]

    def test_it_is_what_the_toolchain_laid_out_bytecode_and_all(self, folder: Path):
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
            "catalog/handler.py",
            "catalog/__pycache__/handler.cpython-313.pyc",
            "orjson/__init__.py",
            "index.json",
        }

    def test_it_is_for_an_architecture_that_a_model_has(self, folder: Path):
        # So that its layer was made.
        assert "arm64" in (folder / "orjson/__init__.py").read_text()

    def test_it_holds_the_index(self, folder: Path):
        index = json.loads((folder / "index.json").read_text())
        assert [model["name"] for model in index["models"]] == ["a_a", "b_b", "c_c"]

    def test_all_versions_are_in_the_index_and_which_are_live(self, keys: Assembly):
        (archive,) = keys.archives("catalog").values()
        index = json.loads((keys.folder / archive["source"]["path"] / "index.json").read_text())
        versions = [(model["name"], model["version"]) for model in index["models"]]
        assert versions == [
            ("digit_image", 1),
            *((name, number) for name in ("file_type", "tabular_risk") for number in (1, 3, 2)),
        ]
        assert index["live"] == {"digit_image": 1, "file_type": 2, "tabular_risk": 2}
