"""The file_type model against the package it comes from."""

import gzip
import io
import json
import os
import random
import shutil
import tarfile
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import magika
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from magika.types import Seekable
from PIL import Image
from support.artifacts import write_version

from modelet.build import sources
from modelet.recipe import Recipe
from modelet_runtime.errors import InvalidRequest
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps.base import Encoded
from modelet_runtime.steps.pipeline import build

FOLDER = Path(__file__).parents[2] / "model_artifacts" / "file_type"
FEWEST_FILES = 200
PER_EXTENSION = 4
LARGEST_FILE_BYTES = 4_000_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    version = tmp_path_factory.mktemp("file_type") / "versions" / "1"
    recipe = Recipe.load(FOLDER)
    manifest = write_version(
        version,
        onnx.load(str(sources.file(recipe.model.source, FOLDER, "model.source").path)),
        recipe.model.name,
        input_steps=tuple(step.to_manifest() for step in recipe.input.steps),
        output_steps=tuple(step.to_manifest() for step in recipe.output.steps),
    )
    for uri in [*recipe.model.assets, str(recipe.model.hooks)]:
        shutil.copy(sources.file(uri, FOLDER, "model.assets").path, version)
    return Predictor(manifest, OrtSession(version / "model.ort"), build(manifest, version))


@pytest.fixture(scope="module")
def package() -> magika.Magika:
    return magika.Magika()


def expected(package: magika.Magika, data: bytes) -> dict[str, Any]:
    """The package's own result in the form of our answer, the score aside."""
    kind = package.identify_bytes(data).output
    return {
        "label": str(kind.label),
        "description": kind.description,
        "mime_type": kind.mime_type,
        "group": kind.group,
        "extensions": kind.extensions,
        "is_text": kind.is_text,
    }


def check(model: Predictor, package: magika.Magika, data: bytes, what: object = None) -> str:
    [answer] = model.predict([data])
    score = answer.pop("score")
    assert answer == expected(package, data), what
    assert score == pytest.approx(package.identify_bytes(data).score, abs=1e-4), what
    label: str = answer["label"]
    return label


def files_of_this_machine() -> list[Path]:
    """Files under /usr, at most four per extension and folder of the first level, in a fixed order."""
    found: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for folder, subfolders, names in os.walk("/usr"):
        subfolders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file() or not os.access(path, os.R_OK):
                continue
            same = found[path.suffix.lower(), path.parts[2]]
            if len(same) < PER_EXTENSION and path.stat().st_size <= LARGEST_FILE_BYTES:
                same.append(path)
    # One of each kind before the second of any.
    by_turn = [paths[turn] for turn in range(PER_EXTENSION) for paths in found.values() if turn < len(paths)]
    return by_turn[: 2 * FEWEST_FILES]


def picture(form: str) -> bytes:
    out = io.BytesIO()
    Image.radial_gradient("L").resize((64, 64)).convert("RGB").save(out, form)
    return out.getvalue()


def archive(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("a.txt", "some text\n" * 50)
    else:
        with tarfile.open(fileobj=out, mode="w") as packed_tar:
            packed_tar.addfile(tarfile.TarInfo("a.txt"))
    return out.getvalue()


MADE = {
    "empty": b"",
    "one byte": b"a",
    "one byte that is no text": b"\xff",
    "seven letters": b"seven l",
    "eight letters": b"eight le",
    "eight spaces": b" " * 8,
    "a block of spaces": b" \t\r\n" * 1024,
    "more than a block of spaces": b" " * 9000,
    "spaces and a letter": b" " * 5000 + b"x",
    "seven letters between spaces": b" " * 100 + b"seven l" + b" " * 100,
    "no text between spaces": b" " * 100 + b"\xff\xfe" + b" " * 100,
    "a letter cut at the block's end": b" " * 4095 + "ü".encode() + b" " * 5000,
    "zeros": bytes(5000),
    "vertical tabs": b"\v\f" * 50 + b"print('hello')\n" * 3,
    "json": json.dumps({"a": [1, 2, {"b": None}], "text": "x" * 40}).encode(),
    "gzip": gzip.compress(b"text " * 100, mtime=0),
    "exactly a begin": b"x = 1\n" * 170 + b"abcd",
    "exactly a block": b"# heading\n\ntext text\n" * 195 + b"a",
    "a block and a byte": bytes(range(256)) * 16 + b"\n",
    **{form: picture(form) for form in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "ICO")},
    **{kind: archive(kind) for kind in ("zip", "tar")},
}


@pytest.mark.parametrize("name", MADE)
def test_agrees_on_what_is_made(model, package, name):
    check(model, package, MADE[name], name)


def test_agrees_on_the_files_of_this_machine(model, package):
    paths = files_of_this_machine()
    labels = {check(model, package, path.read_bytes(), path) for path in paths}
    assert len(paths) >= FEWEST_FILES
    assert len(labels) >= 20, "these are files of one kind"


def test_agrees_on_the_samples_of_the_recipe(model, package):
    labels = {
        path.name: check(model, package, path.read_bytes()) for path in sorted(FOLDER.glob("samples/*"))
    }
    assert len(set(labels.values())) >= 60, "these are files of few kinds"
    assert (
        labels.items()
        >= {
            "backup.sh": "shell",
            "letter.txt": "txt",
            "matrix.c": "c",
            "measurements.csv": "csv",
            "notes.md": "markdown",
            "order.json": "json",
            "page.html": "html",
            "report.py": "python",
            "schema.sql": "sql",
        }.items()
    )


SNIPPETS = st.sampled_from(
    [*MADE.values(), b"#!/bin/sh\n", b"<?xml version='1.0'?>", b"\x7fELF\x02\x01", b"%PDF-1.7\n"]
)
SPACES = st.text(" \t\n\r\v\f\x1c\x85", max_size=6).map(str.encode)
CONTENTS = st.lists(
    SNIPPETS | SPACES | st.binary(max_size=40) | st.text(max_size=40).map(str.encode), max_size=4
)


@settings(deadline=None, max_examples=60)
@given(parts=CONTENTS)
def test_agrees_on_any_bytes(model, package, parts):
    check(model, package, b"".join(parts))


@settings(deadline=None, max_examples=300)
@given(parts=CONTENTS, times=st.integers(1, 300))
def test_makes_the_packages_tokens(model, parts, times):
    data = b"".join(parts) * times
    encoded = model.pipeline.encode(data)
    if not isinstance(encoded, Encoded):
        return  # tiny: the other tests compare the answer
    features = magika.Magika._extract_features_from_seekable(
        Seekable(io.BytesIO(data)), 1024, 0, 1024, 256, 4096, use_inputs_at_offsets=False
    )
    tensor = encoded.tensors["bytes"]
    assert (tensor.shape, tensor.datatype.name) == ((2048,), "INT32")
    assert list(tensor.values()) == features.beg + features.end


@settings(deadline=None)
@given(scores=st.lists(st.floats(0, 1, width=32), min_size=214, max_size=214), best=st.integers(0, 213))
def test_takes_the_packages_decisions(model, package, scores, best):
    from modelet_runtime.tensor import DATATYPES, Tensor

    dice = random.Random(best)
    scores = [score * dice.random() for score in scores]
    scores[best] = max(scores[best], dice.choice([0.4, 0.5, 0.74, 0.75, 0.89, 0.9, 0.95, 1.0]))
    tensor = Tensor.from_values("target_label", DATATYPES["FP32"], (214,), scores)
    rounded = list(tensor.values())
    top = max(range(214), key=rounded.__getitem__)
    guess = magika.types.ContentTypeLabel(package._target_labels_space[top])
    label, _ = package._get_output_label_from_dl_label_and_score(guess, rounded[top])
    answer = model.pipeline.decode({"target_label": tensor}, None)
    assert (answer["label"], answer["score"]) == (str(label), rounded[top])


def test_a_batch_is_its_singles(model):
    contents = [*MADE.values()]
    together = model.predict(contents)
    for answer, [alone] in zip(together, ([*model.predict([content])] for content in contents), strict=True):
        assert answer["label"] == alone["label"]
        # The package's own graph answers a batch differently, by up to 0.019 in stock ONNX Runtime.
        assert answer["score"] == pytest.approx(alone["score"], abs=0.02)


def test_takes_any_media_type_as_bytes(model):
    assert model.pipeline.media_types == ("application/octet-stream", "*/*")
    with pytest.raises(InvalidRequest, match="bytes"):
        model.predict(["text"])
