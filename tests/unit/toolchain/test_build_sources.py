import json

import pytest
from support.graphs import identity
from support.sources import write_model, write_recipe

from modelet.build import contents, sources
from modelet.build.fingerprint import fingerprint
from modelet.errors import RecipeRefused, SourceRefused
from modelet.recipe import Recipe


class TestSources:
    def test_a_file_of_the_folder(self, tmp_path):
        (tmp_path / "model.onnx").touch()
        assert sources.source("model.onnx", tmp_path) == sources.File(
            tmp_path / "model.onnx", is_packaged=False
        )

    def test_a_function_of_the_folder(self, tmp_path):
        (tmp_path / "train.py").touch()
        assert str(sources.source("train.py:build", tmp_path)) == "train.py:build"

    def test_a_file_of_a_package_is_found_without_running_the_package(self, tmp_path, monkeypatch):
        package = tmp_path / "site" / "demo_weights"
        (package / "v1").mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('ran')")
        (package / "v1" / "model.onnx").touch()
        monkeypatch.syspath_prepend(tmp_path / "site")
        found = sources.source("pkg:demo_weights/v1/model.onnx", tmp_path)
        assert found == sources.File(package / "v1" / "model.onnx", is_packaged=True)

    @pytest.mark.parametrize(
        ("uri", "message"),
        [
            ("model.onnx", "is not there: put the file there"),
            ("../model.onnx", "is not inside the model's folder"),
            ("/etc/model.onnx", "is not inside the model's folder"),
            ("train.py:build", r"train\.py is not there"),
            ("../train.py:build", "is not inside the model's folder"),
            ("model.pkl", "is no source that modelet reads"),
            ("train.py", "is no source that modelet reads"),
            ("", "is no source that modelet reads"),
            ("pkg:demo_absent/model.onnx", "package 'demo_absent' is not installed"),
            ("pkg:json/model.onnx", "package 'json' has no file 'model.onnx'"),
            ("pkg:json/../model.onnx", "expected pkg:<package>/<path>"),
            ("pkg:json.onnx", "expected pkg:<package>/<path>"),
        ],
    )
    def test_anything_else_is_refused(self, tmp_path, uri, message):
        with pytest.raises(SourceRefused, match=message):
            sources.source(uri, tmp_path)

    def test_a_pattern_that_matches_nothing_is_refused(self, tmp_path):
        with pytest.raises(SourceRefused, match="no file matches"):
            sources.files("samples/*.png", tmp_path, "golden.samples")
        with pytest.raises(SourceRefused, match="is not inside the model's folder"):
            sources.files("../*", tmp_path, "golden.samples")


class TestFingerprint:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "demo_model"
        write_model(folder, identity(), model={"assets": ["words.txt"]}, golden={"samples": "samples/*"})
        (folder / "words.txt").write_text("a")
        (folder / "samples").mkdir()
        (folder / "samples" / "one.md").write_text("# one")
        return folder

    def digest(self, folder):
        return fingerprint(Recipe.load(folder), folder)

    @pytest.mark.parametrize(
        "name", ["model.onnx", "words.txt", "helper.py", "samples/one.md", "samples/two.bin", "data.csv"]
    )
    def test_files_count(self, folder, name):
        before = self.digest(folder)
        with (folder / name).open("ab") as file:
            file.write(b"!")
        assert self.digest(folder) != before

    @pytest.mark.parametrize(
        "name",
        ["README.md", "notes.ipynb", ".draft", "versions/1/model.ort", "__pycache__/x.pyc", "aliases.toml"],
    )
    def test_notes_and_what_is_built_do_not(self, folder, name):
        before = self.digest(folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("!")
        assert self.digest(folder) == before

    def test_a_comment_does_not_count_but_a_key_does(self, folder):
        before = self.digest(folder)
        recipe = folder / "model.toml"
        recipe.write_text("# a comment\n" + recipe.read_text())
        assert self.digest(folder) == before
        recipe.write_text(recipe.read_text() + "[resources]\nmemory_mib = 512\n")
        assert self.digest(folder) != before

    def test_a_moved_file_counts(self, folder):
        before = self.digest(folder)
        (folder / "samples" / "one.md").rename(folder / "samples" / "1.md")
        assert self.digest(folder) != before

    def test_what_a_package_provides_counts_with_the_weights_beside_it(self, tmp_path, monkeypatch):
        package = tmp_path / "site" / "demo_weights_two"
        package.mkdir(parents=True)
        for name in ("__init__.py", "model.onnx", "model.bin"):
            (package / name).touch()
        monkeypatch.syspath_prepend(tmp_path / "site")
        folder = write_recipe(tmp_path / "demo_model", "pkg:demo_weights_two/model.onnx").path
        before = self.digest(folder)
        (package / "model.bin").write_text("!")
        assert self.digest(folder) != before


class TestContents:
    def read(self, folder, **sections):
        model = write_recipe(folder / "demo_model", "model.onnx", **sections)
        return contents.read(Recipe.load(model.path), model.path)

    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "demo_model"
        folder.mkdir()
        (folder / "names.txt").write_text("zero\n\n one \n")
        (folder / "names.json").write_text(json.dumps(["zero", "one"]))
        (folder / "numbers.json").write_text("[1]")
        (folder / "broken.json").write_text("[")
        (folder / "pre.py").write_text("class Hooks: ...")
        (folder / "sub").mkdir()
        (folder / "sub" / "names.txt").touch()
        (folder / "model.ort").touch()
        return tmp_path

    @pytest.mark.parametrize("labels", [["zero", "one"], "names.txt", "names.json"])
    def test_labels_come_from_the_recipe_or_a_file(self, folder, labels):
        assert self.read(folder, model={"labels": labels}).labels == ("zero", "one")

    @pytest.mark.parametrize(
        ("sections", "error", "message"),
        [
            ({"model": {"labels": "numbers.json"}}, SourceRefused, "expected a JSON list of strings"),
            ({"model": {"labels": "broken.json"}}, SourceRefused, "model.labels: broken.json"),
            ({"model": {"assets": ["none.bin"]}}, SourceRefused, "model.assets: .*none.bin is not there"),
            (
                {"model": {"assets": ["names.txt", "sub/names.txt"]}},
                SourceRefused,
                "'names.txt' is there twice",
            ),
            ({"model": {"assets": ["model.ort"]}}, SourceRefused, "'model.ort' is there twice"),
            ({"model": {"hooks": "pre.py"}}, RecipeRefused, "model.hooks: no step uses it"),
            (
                {"input": {"steps": [{"name": "hook"}]}},
                RecipeRefused,
                "missing key, which the step 'hook' needs",
            ),
            ({"input": {"steps": [{"name": "imago"}]}}, RecipeRefused, "unknown step 'imago'"),
            (
                {"input": {"steps": [{"name": "image", "widht": 8}]}},
                RecipeRefused,
                "unknown parameter 'widht'",
            ),
            (
                {"input": {"steps": [{"name": "words", "vocabulary": "names.json"}]}},
                RecipeRefused,
                "step 'words': reads 'names.json', which is no asset",
            ),
            (
                {"output": {"steps": [{"name": "labels", "top_k": "2"}]}},
                RecipeRefused,
                "top_k: expected an integer",
            ),
        ],
    )
    def test_what_is_wrong_is_refused_before_anything_is_built(self, folder, sections, error, message):
        with pytest.raises(error, match=message):
            self.read(folder, **sections)

    def test_hooks_and_assets_are_copied_under_their_names(self, folder, tmp_path):
        steps = {"steps": [{"name": "hook"}]}
        read = self.read(folder, model={"hooks": "pre.py", "assets": ["names.txt"]}, input=steps)
        target = tmp_path / "version"
        target.mkdir()
        read.copy_to(target)
        assert {path.name for path in target.iterdir()} == {"hooks.py", "names.txt"}

    def test_option_layers_follow_from_the_steps(self, folder):
        assert self.read(folder).layers == ()
        assert self.read(folder, input={"steps": [{"name": "image"}]}).layers == ("image",)

    def test_a_step_may_read_assets(self, folder):
        steps = {"steps": [{"name": "text", "tokenizer": "names.json"}]}
        read = self.read(folder, model={"assets": ["names.json"]}, input=steps)
        assert read.layers == ("text",)
        assert list(read.files) == ["names.json"]
