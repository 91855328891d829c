"""The figures of docs/images.md are those of the images."""

import re

import pytest
from support.oci import CHUNK_BYTES, Image

from modelet import paths
from modelet.packaging.layer import Workshop

PAGE = paths.root() / "docs/images.md"
RUNTIME, FUNCTIONS, MODEL = 1, -2, -1
# The runtime grows by a module now and then; the page is made anew when it has gone this far.
TOLERANCE = 0.05


@pytest.fixture(scope="module")
def table() -> dict[str, tuple[int, float]]:
    """Files and megabytes by layer."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines()]
    return {row[0]: (int(row[2]), float(row[3])) for row in rows if len(row) == 6 and row[2].isdigit()}


def near(megabytes: float) -> object:
    return pytest.approx(megabytes, rel=TOLERANCE, abs=0.01)


def test_the_shared_layers_are_as_large_as_it_says(
    table: dict[str, tuple[int, float]], opened: dict[str, Image]
) -> None:
    layers = opened["demo_picture"].layers
    assert table["runtime, x86_64"][1] == near(layers[RUNTIME].content_bytes / 1e6)
    assert table["functions"][1] == near(layers[FUNCTIONS].content_bytes / 1e6)


def test_every_option_layer_is_in_it(
    table: dict[str, tuple[int, float]], opened: dict[str, Image], workshop: Workshop
) -> None:
    listed = {name.split("`")[1] for name in table if name.startswith("option")}
    assert listed == set(workshop.options), "run `make docs`"
    image = opened["demo_picture"].layers[2 + workshop.options.index("image")]
    assert table["option `image`"][1] == near(image.content_bytes / 1e6)


@pytest.mark.parametrize("model", ["file_type", "digit_image"])
def test_models_are_as_large_as_it_says(
    table: dict[str, tuple[int, float]], opened: dict[str, Image], model: str
) -> None:
    assert table[f"model `{model}`"][1] == near(opened[model].layers[MODEL].content_bytes / 1e6)


def test_as_many_chunks_are_a_models_own_as_it_says(opened: dict[str, Image]) -> None:
    text = " ".join(PAGE.read_text().split())
    pattern = r"(\d+) of the chunks of `file_type` on the tests' base are its own, ([\d.]+) MB"
    found = re.search(pattern, text)
    assert found
    # A model with the same option layers, so that nothing but the models differs.
    lower = [layer.digest for layer in opened["file_type"].layers[:MODEL]]
    other = next(
        image
        for name, image in opened.items()
        if name != "file_type" and [layer.digest for layer in image.layers[:MODEL]] == lower
    )
    own = len(opened["file_type"].chunks() - other.chunks())
    assert int(found[1]) == pytest.approx(own, abs=1)
    assert float(found[2]) == pytest.approx(own * CHUNK_BYTES / 1e6, abs=0.6)
