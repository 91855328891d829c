import stat

import pytest
from support.artifacts import write_version
from support.graphs import identity
from support.sources import write_model

from modelet.build import folder
from modelet.build.fingerprint import fingerprint
from modelet.build.plan import plan
from modelet.errors import RecipeRefused
from modelet.recipe import Recipe
from modelet_runtime.manifest import Source


class TestStaging:
    def test_a_staged_folder_is_gone_afterwards(self, tmp_path):
        versions = tmp_path / "versions"
        with folder.staging(versions) as staged:
            (staged / "model.ort").touch()
        assert not versions.exists()

    def test_what_a_killed_build_left_is_removed(self, tmp_path):
        versions = tmp_path / "versions"
        left_over = versions / ".building-abc"
        left_over.mkdir(parents=True)
        (left_over / "model.ort").touch()
        with folder.staging(versions):
            assert not left_over.exists()

    def test_a_published_folder_is_readable_by_anybody(self, tmp_path):
        versions = tmp_path / "versions"
        with folder.staging(versions) as staged:
            (staged / "model.ort").write_bytes(b"x")
            (staged / "model.ort").chmod(0o600)
            folder.publish(staged, versions / "1")
        assert stat.S_IMODE((versions / "1").stat().st_mode) == 0o755
        assert stat.S_IMODE((versions / "1" / "model.ort").stat().st_mode) == 0o644
        assert [entry.name for entry in versions.iterdir()] == ["1"]

    def test_a_version_is_never_overwritten(self, tmp_path):
        versions = tmp_path / "versions"
        (versions / "1").mkdir(parents=True)
        (versions / "1" / "kept").touch()
        with folder.staging(versions) as staged:
            (staged / "model.ort").touch()
            with pytest.raises(OSError, match="not empty"):
                folder.publish(staged, versions / "1")
        assert [entry.name for entry in (versions / "1").iterdir()] == ["kept"]


class TestPlan:
    @pytest.fixture
    def model(self, tmp_path):
        return write_model(tmp_path / "demo_model", identity())

    def version(self, model, **changes):
        digest = fingerprint(Recipe.load(model.path), model.path)
        source = Source("onnx", "model.onnx", digest)
        return write_version(model.path / "versions" / "1", identity(), **{"source": source, **changes})

    def test_a_model_without_versions_is_built(self, model):
        todo = plan(model)
        assert (todo.action, todo.next_number, todo.reason) == ("build", 1, "there is no version yet")

    def test_an_unchanged_one_is_kept(self, model):
        self.version(model)
        assert (plan(model).action, plan(model).next_number) == ("keep", 2)

    def test_a_changed_source_is_built_anew(self, model):
        self.version(model, source=Source("onnx", "model.onnx", "0" * 64))
        assert (plan(model).action, plan(model).reason) == ("build", "the source or the recipe changed")

    def test_another_version_of_a_tool_builds_anew(self, model):
        made = self.version(model, tools={"onnxruntime": "1.0.0"})
        assert made.tools == {"onnxruntime": "1.0.0"}
        assert plan(model).action == "build"
        assert plan(model).reason.startswith("tools changed: onnxruntime 1.0.0 -> ")

    def test_a_tool_that_is_not_here_changes_nothing(self, model):
        self.version(model, tools={"a-compiler": "3"})
        assert plan(model).action == "keep"

    def test_missing_and_changed_files_are_restored(self, model):
        self.version(model)
        ort = model.path / "versions" / "1" / "model.ort"
        ort.write_bytes(bytes(ort.stat().st_size))
        assert (plan(model).action, plan(model).reason) == (
            "restore",
            "model.ort of version 1 missing or changed",
        )
        ort.unlink()
        assert plan(model).action == "restore"

    def test_an_unreadable_manifest_is_passed_over(self, model):
        self.version(model)
        (model.path / "versions" / "1" / "manifest.json").write_text("{}")
        assert (plan(model).action, plan(model).next_number) == ("build", 2)

    def test_a_wrong_recipe_is_refused(self, model):
        (model.path / "model.toml").write_text("[model]\n")
        with pytest.raises(RecipeRefused):
            plan(model)
