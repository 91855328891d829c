import json

import pytest
from onnx import TensorProto
from support.graphs import identity
from support.sources import write_model

from modelet.build.pipeline import build
from modelet.cli import run
from modelet_runtime.aliases import FILE_NAME, Aliases


@pytest.fixture
def call(capsys, tmp_path):
    """Runs a command over the models; gives exit code, standard output and standard error."""

    def call(*arguments):
        code = run([*map(str, arguments), "--models", str(tmp_path)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def words(line):
    return " ".join(line.split())


class TestPromote:
    def test_it_shows_what_moved(self, call, make):
        make(3)
        code, out, _ = call("promote", "demo_model", 1)
        assert code == 0
        assert [words(line) for line in out.splitlines()] == [
            "demo_model",
            "alias before now",
            "live 3 1",
            "canary - -",
            "previous 1, 2 1, 2, 3",
        ]
        code, out, _ = call("promote", "demo_model", 2, "--canary", "0.25")
        assert words(out.splitlines()[3]) == "canary - 2 (0.25 of the requests)"

    def test_a_program_reads_it_as_json(self, call, make):
        model = make(2)
        code, out, _ = call("promote", "demo_model", 1, "--json")
        assert code == 0
        assert json.loads(out) == {
            "model": "demo_model",
            "before": {"live": 2, "canary": None, "previous": [1], "pinned": []},
            "after": {"live": 1, "canary": None, "previous": [1, 2], "pinned": []},
            "breaks": [],
        }
        assert Aliases.load(model.path).live == 1

    def test_a_refusal_is_1_and_says_what_to_do(self, call, make):
        model = make(2, v2=identity(TensorProto.INT64))
        (model.path / FILE_NAME).write_text("live = 1\n")
        code, out, err = call("promote", "demo_model", 2)
        assert (code, out) == (1, "")
        assert "input 'x' was FP32[?,3] and is INT64[?,3]; output 'y'" in err
        assert err.endswith("say --breaking if they are ready for it\n")
        code, out, err = call("promote", "demo_model", 2, "--breaking")
        assert code == 0
        assert "callers: input 'x' was FP32[?,3] and is INT64[?,3]" in err

    @pytest.mark.parametrize("weight", ["0", "1", "1.5", "-0.1", "nan", "much"])
    def test_a_share_that_is_none_is_wrong_use(self, call, make, weight):
        make(2)
        assert call("promote", "demo_model", 1, "--canary", weight)[0] == 2

    @pytest.mark.parametrize(("arguments", "code"), [(["nothing", 1], 1), (["demo_model", 9], 1), ([], 2)])
    def test_what_is_not_there(self, call, make, arguments, code):
        make(1)
        assert call("promote", *arguments)[0] == code


class TestRollback:
    def test_back_and_further_back(self, call, make):
        model = make(3)
        assert call("rollback", "demo_model")[0] == 0
        assert call("rollback", "demo_model")[0] == 0
        assert Aliases.load(model.path) == Aliases(1)
        code, _, err = call("rollback", "demo_model")
        assert code == 1
        assert "has no previous live version" in err


class TestLook:
    def test_a_list_shows_the_aliases(self, call, make):
        model = make(3)
        (model.path / FILE_NAME).write_text("live = 1\ncanary = { version = 2, weight = 0.1 }\n")
        _, out, err = call("list")
        assert words(out.splitlines()[1]).startswith("demo_model 1 2 (0.1) ready, onnx")
        assert err == ""
        [row] = json.loads(call("list", "--json")[1])
        assert (row["live"], row["canary"]) == (1, {"version": 2, "weight": 0.1})
        assert row["state"] == "ready, newest is 3"

    def test_a_list_says_why_an_alias_cannot_answer(self, call, make):
        model = make(1)
        (model.path / FILE_NAME).write_text("live = 4\n")
        code, out, err = call("list")
        assert code == 0
        assert words(out.splitlines()[1]).startswith("demo_model - - cannot answer")
        assert "live of model 'demo_model' is version 4, which is not there" in err

    @pytest.mark.parametrize(
        ("number", "alias"), [(1, "live"), (2, "canary, 0.1 of live's requests"), (3, "none")]
    )
    def test_a_version_says_what_it_is(self, call, make, number, alias):
        model = make(3)
        (model.path / FILE_NAME).write_text("live = 1\ncanary = { version = 2, weight = 0.1 }\n")
        assert json.loads(call("show", f"demo_model@{number}", "--json")[1])["alias"] == alias
        assert any(
            words(line) == f"alias {alias}" for line in call("show", f"demo_model@{number}")[1].splitlines()
        )


class TestBuild:
    def test_a_new_version_waits_where_aliases_are_kept(self, call, tmp_path):
        model = write_model(tmp_path / "demo_model", identity())
        build(model)
        call("promote", "demo_model", 1)
        write_model(tmp_path / "demo_model", identity(), resources={"memory_mib": 512})
        code, out, _ = call("build")
        assert code == 0
        first, second = out.splitlines()
        assert first.startswith("demo_model  version 2  built in")
        assert second == (
            "demo_model  live stays at version 1: compare them with `modelet diff demo_model live 2`,"
            " make it live with `modelet promote demo_model 2`"
        )
        [outcome] = json.loads(call("build", "--json")[1])
        assert outcome["next_step"].startswith("live stays at version 1")
        call("promote", "demo_model", 2)
        assert call("build")[1] == "demo_model  version 2  up to date\n"

    def test_without_aliases_it_answers_at_once(self, call, tmp_path):
        write_model(tmp_path / "demo_model", identity())
        assert len(call("build")[1].splitlines()) == 1
