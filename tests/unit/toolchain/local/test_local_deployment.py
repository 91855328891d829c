"""What is promoted, built or removed while the service runs."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.artifacts import write_version
from support.graphs import identity, softmax
from support.lambdas import in_loop

from modelet.aliases.moves import promote, rollback
from modelet.local.deployment import Deployment
from modelet.local.process import FunctionSpec
from modelet.local.router import CATALOG, Serving, Target
from modelet.repository import ModelFolder, Repository, Version
from modelet_runtime.aliases import FILE_NAME


class Fake:
    """A function that starts no process and keeps what happened to it."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self.happened: list[str] = []

    async def publish(self) -> None:
        self.happened.append("published")

    async def retire(self) -> None:
        self.happened.append("retired")

    async def close(self) -> None:
        self.happened.append("closed")


class Watched:
    """A deployment of one folder of models, with fakes for functions."""

    def __init__(
        self,
        root: Path,
        scratch: Path,
        about: Callable[[Version], Mapping[str, str]] = lambda version: {},
    ) -> None:
        self.root = root
        self.said: list[str] = []
        self.functions: list[Fake] = []
        self.deployment = Deployment(Repository(root), scratch, self._start, self.said.append, about=about)

    def _start(self, spec: FunctionSpec) -> Any:
        self.functions.append(Fake(spec))
        return self.functions[-1]

    def serving(self, name: str = "demo_model") -> Serving | None:
        return self.deployment.get(name)

    def function(self, version: int, name: str = "demo_model") -> Any:
        return self.deployment.function(Target(name, version, str(version)))

    def index(self) -> dict[str, Any]:
        function = self.deployment.function(Target(CATALOG, 0, ""))
        return json.loads(Path(function.spec.environment["MODELET_INDEX"]).read_text())


def add(root: Path, version: int, name: str = "demo_model", **changes: Any) -> ModelFolder:
    write_version(root / name / "versions" / str(version), identity(), name, version=version, **changes)
    return ModelFolder(root / name)


@pytest.fixture
def watched(tmp_path: Path) -> Callable[[], Watched]:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "models").mkdir()
    return lambda: Watched(tmp_path / "models", tmp_path / "scratch")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@in_loop
async def test_a_promote_counts_with_the_next_look(root: Path, watched: Callable[[], Watched]) -> None:
    for number in (1, 2):
        model = add(root, number)
    it = watched()
    first = it.function(1)
    assert it.serving().live == 2
    promote(model, 1)
    assert it.serving().live == 1
    promote(model, 2, weight=0.25)
    serving = it.serving()
    assert (serving.live, serving.canary, serving.weight) == (1, 2, 0.25)
    rollback(model)
    assert it.serving().canary is None
    assert it.said == [
        "demo_model: live 2 -> 1",
        "demo_model: canary - -> 2, 0.25 of the requests",
        "demo_model: canary 2 -> -",
    ]
    assert it.function(1) is first
    assert "closed" not in first.happened


@in_loop
async def test_nothing_is_read_while_nothing_changes(root: Path, watched: Callable[[], Watched]) -> None:
    add(root, 1)
    it = watched()
    before = it.serving()
    assert it.serving() is before
    assert len(it.functions) == 2


@in_loop
async def test_a_new_version_is_there_and_live_unless_aliases_say_otherwise(
    root: Path, watched: Callable[[], Watched]
) -> None:
    model = add(root, 1)
    it = watched()
    add(root, 2)
    assert it.serving().live == 2
    assert it.function(2).spec.version == "2"
    await asyncio.sleep(0)
    assert it.function(2).happened == ["published"]
    promote(model, 2)
    add(root, 3)
    assert (it.serving().live, list(it.serving().versions)) == (2, [1, 2, 3])


@in_loop
async def test_a_new_model_is_found_by_its_name_and_by_the_catalog(
    root: Path, watched: Callable[[], Watched]
) -> None:
    it = watched()
    assert it.serving() is None
    assert len(it.deployment) == 0
    add(root, 1)
    assert it.serving().live == 1
    assert [model["name"] for model in it.index()["models"]] == ["demo_model"]


@in_loop
async def test_the_catalog_is_told(root: Path, watched: Callable[[], Watched]) -> None:
    for number in (1, 2):
        model = add(root, number)
    it = watched()
    old = it.deployment.function(Target(CATALOG, 0, ""))
    assert it.index()["live"] == {"demo_model": 2}
    promote(model, 1)
    assert it.index()["live"] == {"demo_model": 1}
    new = it.deployment.function(Target(CATALOG, 0, ""))
    assert new is not old
    await asyncio.sleep(0)
    await it.deployment.close()
    assert (old.happened, new.happened) == (["retired"], ["closed"])


@in_loop
async def test_the_catalog_is_told_whom_the_cpu_twin_serves(tmp_path: Path, root: Path) -> None:
    add(root, 1, "alone_a", target="gpu")
    add(root, 1, "served_b", target="gpu")
    add(root, 1, "plain_c")
    (tmp_path / "scratch").mkdir()

    def about(version: Version) -> dict[str, str]:
        return {"MODELET_ENDPOINT": "live"} if version.manifest.name == "served_b" else {"OTHER": "1"}

    it = Watched(root, tmp_path / "scratch", about)
    assert it.index()["served_by"] == {"alone_a": "cpu"}


@in_loop
async def test_a_version_built_anew_under_its_number_gets_a_new_function(
    root: Path, watched: Callable[[], Watched]
) -> None:
    add(root, 1)
    it = watched()
    old = it.function(1)
    folder = root / "demo_model" / "versions"
    (folder / "1").rename(root / "away")
    write_version(folder / "1", softmax(3), "demo_model", description="another")
    assert it.serving().live == 1
    assert it.function(1) is not old
    await asyncio.sleep(0)
    assert old.happened == ["retired"]


@in_loop
async def test_a_version_that_went_away_finishes_and_ends(root: Path, watched: Callable[[], Watched]) -> None:
    for number in (1, 2):
        add(root, number)
    it = watched()
    gone = it.function(2)
    (root / "demo_model" / "versions" / "2").rename(root / "away")
    assert (it.serving().live, list(it.serving().versions)) == (1, [1])
    (root / "demo_model").rename(root / "all_away")
    assert it.serving() is None
    await asyncio.sleep(0)
    await it.deployment.close()
    assert gone.happened == ["retired"]


@in_loop
async def test_an_alias_at_what_cannot_answer_is_said(root: Path, watched: Callable[[], Watched]) -> None:
    model = add(root, 1)
    it = watched()
    (model.path / FILE_NAME).write_text("live = 1\ncanary = { version = 5, weight = 0.5 }\n")
    serving = it.serving()
    assert (serving.live, serving.canary, serving.weight) == (1, None, 0.0)
    assert len(it.said) == 1
    assert it.said[0].startswith("canary of model 'demo_model' is version 5, which is not there: build it")


@in_loop
async def test_a_file_in_the_middle_of_an_edit_changes_nothing(
    root: Path, watched: Callable[[], Watched]
) -> None:
    for number in (1, 2):
        model = add(root, number)
    promote(model, 1)
    it = watched()
    (model.path / FILE_NAME).write_text("live = ")
    assert it.serving().live == 1
    assert "aliases.toml: Invalid value" in it.said[0]
    assert it.said[0].endswith("; going on as before")
    (model.path / FILE_NAME).write_text("live = 2")
    assert it.serving().live == 2


@pytest.mark.parametrize("name", ["..", "../models", ".", "a/b", "", "no\0name", "x" * 10_000])
@in_loop
async def test_no_path_is_made_of_a_strange_name(
    root: Path, watched: Callable[[], Watched], name: str
) -> None:
    add(root, 1)
    assert watched().serving(name) is None


@in_loop
async def test_closing_ends_all_functions(root: Path, watched: Callable[[], Watched]) -> None:
    for number in (1, 2):
        add(root, number)
    it = watched()
    await it.deployment.publish()
    await it.deployment.close()
    assert [function.happened for function in it.functions] == [["published", "closed"]] * 3
    names = sorted(function.spec.name for function in it.functions)
    assert names == ["catalog", "demo_model", "demo_model-1"]


def test_two_names_for_one_version_are_one_function(root: Path, watched: Callable[[], Watched]) -> None:
    add(root, 1)
    it = watched()
    live = Target("demo_model", 1, "live")
    assert it.deployment.function(live) is it.deployment.function(replace(live, qualifier="1"))
