"""A folder of models becomes functions, and commands to try them with."""

import json
from pathlib import Path

import pytest
from support.artifacts import write_version
from support.graphs import add_and_scale, identity, softmax

from modelet import paths
from modelet.local.examples import commands
from modelet.local.fleet import DEFAULT_CONCURRENCY, Fleet, catalog, predict
from modelet.repository import Repository
from modelet_runtime.manifest import Proof, Resources, Step


def fleet_of(root: Path) -> Fleet:
    return Fleet.of(Repository(root).models())


def add(root: Path, name: str, version: int = 1, proto=None, **changes) -> Path:
    folder = root / name / "versions" / str(version)
    write_version(folder, proto or softmax(2), name, version=version, **changes)
    return folder


def test_every_complete_version_can_be_called(tmp_path: Path) -> None:
    for number in (1, 4, 9):
        add(tmp_path, "a_a", number)
    (tmp_path / "a_a" / "versions" / "9" / "model.ort").unlink()
    (tmp_path / "b_b" / "versions").mkdir(parents=True)
    fleet = fleet_of(tmp_path)
    assert list(fleet.shelves["a_a"].versions) == [1, 4]
    assert fleet.shelves["b_b"].versions == {}
    assert {name: version.number for name, version in fleet.live.items()} == {"a_a": 4}
    assert fleet.troubles == ["model 'b_b' has no version yet: run `modelet build b_b`"]


def test_a_version_that_was_not_proven_is_called_by_its_number_only(tmp_path: Path) -> None:
    add(tmp_path, "a_a", 1)
    add(tmp_path, "a_a", 2, proof=Proof(passed=False))
    shelf = fleet_of(tmp_path).shelves["a_a"]
    assert (list(shelf.serving.versions), shelf.serving.live) == ([1, 2], 1)


def test_aliases_say_what_is_live_and_what_is_on_trial(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        add(tmp_path, "a_a", number)
    (tmp_path / "a_a" / "aliases.toml").write_text("live = 1\ncanary = { version = 2, weight = 0.3 }\n")
    serving = fleet_of(tmp_path).shelves["a_a"].serving
    assert (serving.live, serving.canary, serving.weight, serving.troubles) == (1, 2, 0.3, {})
    assert list(serving.versions) == [1, 2, 3]


def test_the_function_of_a_version(tmp_path: Path) -> None:
    resources = Resources(memory_mib=3538, timeout_s=7, max_concurrency=3)
    add(tmp_path, "a_a", 4, resources=resources)
    version = fleet_of(tmp_path).live["a_a"]
    live = predict(version, {}, is_live=True, snap_start=False)
    assert (live.name, live.version, live.memory_mib, live.timeout_s) == ("a_a", "4", 3538, 7)
    assert (live.concurrency, live.snap_start) == (3, False)
    assert live.environment == {"MODELET_MODEL_DIR": str(tmp_path / "a_a" / "versions" / "4")}
    assert live.python_path == (paths.runtime_layer(),)
    beside = predict(version, {}, is_live=False, snap_start=True)
    assert (beside.name, beside.snap_start) == ("a_a-4", True)
    index = catalog(tmp_path / "index.json", {"MODELET_JOBS_TABLE": "jobs"})
    assert index.environment == {
        "MODELET_INDEX": str(tmp_path / "index.json"),
        "MODELET_JOBS_TABLE": "jobs",
    }
    assert index.concurrency == DEFAULT_CONCURRENCY
    for function in (live, index):
        assert (function.folder / function.handler.replace(".", "/")).parent.with_suffix(".py").is_file()


def test_the_index_holds_all_manifests(tmp_path: Path) -> None:
    add(tmp_path, "a_a", 1)
    folder = add(tmp_path, "a_a", 2)
    candidates = [{"name": "fp32", "latency_ms": {"median": 5.25}}, {"name": "int8", "latency_ms": None}]
    passport = {"winner": {"name": "fp32"}, "candidates": candidates}
    (folder / "passport.json").write_text(json.dumps(passport))
    (add(tmp_path, "b_b", 1) / "passport.json").write_text("{}")
    fleet_of(tmp_path).write_index(tmp_path / "index.json")
    index = json.loads((tmp_path / "index.json").read_text())
    models = index["models"]
    assert index["latency_ms"] == {"a_a": {"2": 5.25}, "b_b": {}}
    assert [(model["name"], model["version"]) for model in models] == [("a_a", 1), ("a_a", 2), ("b_b", 1)]
    assert index["live"] == {"a_a": 2, "b_b": 1}


def test_examples_without_models_still_work(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8080"
    assert commands(fleet_of(tmp_path), url) == [
        f"curl {url}/v2/models",
        f"curl {url}/v2",
        f"curl {url}/v2/health/ready",
    ]


def test_examples_fit_what_the_models_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "models"
    add(root, "a_sum", proto=add_and_scale())
    add(root, "b_text", proto=identity(8, ("n",)))
    lines = commands(fleet_of(root), "http://x")
    assert lines == [
        "curl http://x/models/a_sum/predict -H 'content-type: application/json'"
        """ -d '{"a": [0, 0], "b": [0, 0]}'""",
        "curl http://x/models/b_text/predict -H 'content-type: application/json' -d '\"text\"'",
        "curl http://x/v2/models/a_sum",
    ]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step("words"), "-H 'content-type: text/plain' -d 'This is a text.'"),
        (Step("text"), "-H 'content-type: text/plain' -d 'This is a text.'"),
        (
            Step("text", {"fields": ["a", "b"]}),
            """-H 'content-type: application/json' -d '{"a": "This is a text.", "b": "This is a text."}'""",
        ),
        (Step("table"), "-H 'content-type: application/json' -d '[0, 0]'"),
        (Step("audio"), "-H 'content-type: audio/wav' --data-binary @models/a_model/samples/yes.wav"),
    ],
)
def test_examples_send_what_the_first_step_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "models"
    add(root, "a_model", input_steps=(step,))
    (root / "a_model" / "samples").mkdir()
    (root / "a_model" / "samples" / "yes.wav").write_bytes(b"RIFF")
    assert commands(fleet_of(root), "http://x")[0] == f"curl http://x/models/a_model/predict {expected}"


def test_examples_send_files_where_files_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "models"
    add(root, "a_picture", proto=identity(2, ("n", 8, 8)), input_steps=(Step("image"),))
    (root / "a_picture" / "examples").mkdir()
    (root / "a_picture" / "examples" / "it's 7.png").write_bytes(b"png")
    hooks = add(root, "b_file", input_steps=(Step("hook"),)) / "hooks.py"
    hooks.write_text("class Hooks:\n    media_types: tuple[str, ...] = ('application/octet-stream',)\n")
    (root / "b_file" / "README.md").write_text("# b_file\n")
    add(root, "c_wide", proto=identity(1, ("n", 3, 224, 224)))
    assert commands(fleet_of(root), "http://x") == [
        "curl http://x/models/a_picture/predict -H 'content-type: image/png'"
        """ --data-binary @'models/a_picture/examples/it'"'"'s 7.png'""",
        "curl http://x/models/b_file/predict --data-binary @models/b_file/README.md",
        "curl http://x/v2/models/a_picture",
    ]
    (tmp_path / "README.md").write_text("# the project's own\n")
    assert "--data-binary @README.md" in commands(fleet_of(root), "http://x")[1]


@pytest.mark.parametrize(
    ("hooks", "expected"),
    [
        ("class Hooks:\n    media_types = ('text/plain',)\n", "-H 'content-type: text/plain'"),
        ("class Hooks:\n    media_types = ('x/y',)\n", "/v2/models/a_hook"),
        ("this is no Python", "/v2/models/a_hook"),
        (None, "/v2/models/a_hook"),
    ],
)
def test_examples_ask_hooks_without_running_them(tmp_path: Path, hooks: str | None, expected: str) -> None:
    folder = add(tmp_path, "a_hook", input_steps=(Step("hook"),))
    if hooks is not None:
        (folder / "hooks.py").write_text(hooks)
    assert expected in commands(fleet_of(tmp_path), "http://x")[0]
