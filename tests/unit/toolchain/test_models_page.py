"""`docs/models.md` and `modelet steps` say what the code says, and what they show works."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from modelet.build.graft import registry as graph
from modelet.build.graft.registry import split_input, split_output
from modelet.cli import run
from modelet.manual.keys import sections
from modelet.manual.page import PARTS, render
from modelet.manual.steps import pages
from modelet.recipe import Recipe
from modelet_runtime.steps import registry as runtime

PAGE = Path(__file__).parents[3] / "docs" / "models.md"
TEXT = PAGE.read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def test_the_page_is_what_the_code_says():
    assert render(TEXT) == TEXT, "run `make docs`"
    for name in PARTS:
        assert f"<!-- {name}: made by `make docs` -->" in TEXT


def test_every_step_is_described_with_all_its_parameters():
    listed = [(page.side, page.where, page.name) for page in pages()]
    tables = [("input", runtime.INPUT, graph.INPUT), ("output", runtime.OUTPUT, graph.OUTPUT)]
    for side, of_runtime, of_graph in tables:
        assert {name for at, where, name in listed if (at, where) == (side, "runtime")} == set(of_runtime)
        assert {name for at, where, name in listed if (at, where) == (side, "graph")} == set(of_graph)
    for page in pages():
        assert page.summary.endswith("."), page.name
        for parameter in page.parameters:
            assert parameter.text, f"{page.name}: {parameter.name}"


def test_every_section_and_key_of_a_recipe_is_described():
    found = {section.title: {key.name for key in section.keys} for section in sections()}
    assert {"[model]", "[[input.steps]]", "[[output.steps]]", "[golden]", "[resources]"} <= set(found)
    assert {"source", "labels"} <= found["[model]"]
    for section in sections():
        assert section.text, section.title


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_are_recipes(number):
    document = tomllib.loads(EXAMPLES[number])
    document.setdefault("model", {"name": "demo_model", "source": "model.onnx"})
    recipe = Recipe.from_dict(document)
    split_input([step.to_manifest() for step in recipe.input.steps])
    split_output([step.to_manifest() for step in recipe.output.steps])


def test_links_inside_the_page_lead_somewhere():
    titles = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(#([\w-]+)\)", TEXT):
        assert target in anchors
    for path in re.findall(r"\]\((decisions/[\w.-]+)\)", TEXT):
        assert (PAGE.parent / path).is_file()


class TestCommand:
    def test_lists_every_step(self, capsys):
        assert run(["steps"]) == 0
        rows = re.findall(
            r"^ ?(\w+) +(input|output) +(runtime|graph) ", capsys.readouterr().out, re.MULTILINE
        )
        assert rows == [(page.name, page.side, page.where) for page in pages()]

    def test_explains_a_step_on_both_sides(self, capsys):
        assert run(["steps", "scale"]) == 0
        out = capsys.readouterr().out
        assert "[[input.steps]]" in out
        assert "[[output.steps]]" in out
        assert len(re.findall(r"^ divisor +a number or a ", out, re.MULTILINE)) == 2

    def test_for_programs(self, capsys):
        assert run(["steps", "top_k", "--json"]) == 0
        [step] = json.loads(capsys.readouterr().out)
        assert step["parameters"][0]["name"] == "k"
        assert step["parameters"][0]["is_required"]

    def test_an_unknown_step(self, capsys):
        assert run(["steps", "magic"]) == 2
        assert "there is no step 'magic'" in re.sub(r"[\s│]+", " ", capsys.readouterr().err)
