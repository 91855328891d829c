"""That an image holds what a function touches, and nothing else."""

import json
import re
from collections.abc import Iterable

import pytest
from support.containers import Built, Store
from support.oci import Image, Layer

from modelet.packaging.layer import Workshop

MIB = 1024 * 1024
RUNTIME_LIMIT_BYTES = 45_000_000
# The layers of an image; between them, in order of name, those of layers/options.
BASE, RUNTIME, FUNCTIONS, MODEL = 0, 1, -2, -1
UNWANTED = re.compile(
    r"(^|/)(modelet|infra|tests?|numpy|pip|setuptools|boto3)(/|$)"
    r"|(^|/)(\.git|\.cache|\.aws|\.env.*|\.netrc|id_rsa.*)(/|$)"
    r"|(?<!/cacert)\.pem$|\.(whl|key|onnx|toml|pyi)$|(golden|passport)\.json$|^(root|home|tmp)/"
)
# What the option layers bring: calls to AWS to all, besides files in batch, pictures, nothing.
AWS = {"aws_lambda_powertools", "botocore", "dateutil", "python_dateutil", "six", "urllib3"}
BATCH = {"arro3", "arro3_core", "arro3_io", "backports", "backports_zstd"}
OPTIONS = {"file_type": AWS | BATCH, "demo_sum": AWS, "demo_picture": AWS | {"PIL", "pillow"}}


@pytest.fixture(params=OPTIONS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def image(name: str, opened: dict[str, Image]) -> Image:
    return opened[name]


def ours(image: Image) -> dict[str, tuple[int, str]]:
    """The files that the image adds to its base."""
    return {name: file for layer in image.layers[RUNTIME:] for name, file in layer.files.items()}


def invalidation(layer: Layer) -> set[int]:
    """The second word of each bytecode file: 1 is a hash that is not checked.

    Source: PEP 552
    """
    names = [name for name in layer.files if name.endswith(".pyc")]
    return {int.from_bytes(layer.read(name)[4:8], "little") for name in names}


def listed(layer: Layer, title: str) -> set[tuple[str, str]]:
    """Name and version of each package in the layer's list of licences."""
    lines = layer.read(f"opt/licenses/{title}.md").decode().splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| ")]
    return {(row[1], row[2]) for row in cells}


def test_the_runtime_layer_is_small(image: Image) -> None:
    assert image.layers[RUNTIME].content_bytes <= RUNTIME_LIMIT_BYTES


def packages(layers: Iterable[Layer]) -> set[str]:
    """The packages and distributions of layers."""
    return {
        path.split("/")[2].partition(".")[0].partition("-")[0]
        for layer in layers
        for path in layer.files
        if path.startswith("opt/python/") and "__pycache__" not in path.split("/")[2]
    }


def test_there_is_nothing_but_the_runtime_the_handlers_and_the_model(name: str, image: Image) -> None:
    folders = {tuple(path.split("/")[:2]) for path in ours(image)}

    assert folders == {("opt", "python"), ("opt", "licenses"), ("opt", "model"), ("var", "task")}
    assert packages(image.layers[RUNTIME + 1 : FUNCTIONS]) == OPTIONS[name]
    assert packages([image.layers[RUNTIME]]) == {
        "aws_lambda_powertools",
        "awslambdaric",
        "jmespath",
        "modelet_runtime",
        "onnxruntime",
        "orjson",
        "pybase64",
        "runtime_client",
        "simplejson",
        "snapshot_restore_py",
        "typing_extensions",
    }


def test_of_onnx_runtime_there_is_the_c_library_alone(image: Image) -> None:
    found = [name for name in ours(image) if name.startswith("opt/python/onnxruntime/")]

    assert len(found) == 1
    assert re.fullmatch(r"opt/python/onnxruntime/capi/libonnxruntime\.so\.[\d.]+", found[0])


def test_there_is_no_toolchain_test_cache_or_secret(image: Image) -> None:
    assert [name for name in ours(image) if UNWANTED.search(name)] == []


def test_no_path_of_the_building_machine_is_in_it(image: Image, workshop: Workshop) -> None:
    ours_text = re.compile(r"^(opt/python/modelet_runtime|var/task|opt/model)/")
    machine = str(workshop.root).encode()
    for layer in image.layers[RUNTIME:]:
        for name in layer.files:
            if ours_text.search(name):
                assert machine not in layer.read(name), name


def test_every_module_has_bytecode_that_is_not_checked_against_its_source(image: Image) -> None:
    found = ours(image)
    for layer in image.layers[RUNTIME:]:
        for name in layer.files:
            if name.endswith(".py"):
                folder, _, module = name.rpartition("/")
                assert f"{folder}/__pycache__/{module[:-3]}.cpython-313.pyc" in found, name
    assert invalidation(image.layers[FUNCTIONS]) == invalidation(image.layers[RUNTIME]) == {1}


def test_every_package_has_its_licence_listed(image: Image, workshop: Workshop) -> None:
    titles = ["runtime", *(f"option-{name}" for name in workshop.options)]
    for layer, title in zip(image.layers[RUNTIME:FUNCTIONS], titles, strict=True):
        shipped = {name.split("/")[2] for name in layer.files if name.endswith(".dist-info/METADATA")}
        for folder in shipped:
            name, version = folder.removesuffix(".dist-info").split("-")
            assert (name.replace("_", "-").lower(), version) in listed(layer, title)


def test_the_container_is_as_tight_as_a_function(store: Store, images: dict[str, Built]) -> None:
    code = """
import json, os
def refused(path):
    try:
        open(path, "w")
    except OSError:
        return True
limits = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
limit = next(open(path).read() for path in limits if os.path.exists(path))
open("/tmp/written", "w")
read_only = all(map(refused, ["/opt/x", "/var/task/x", "/x"]))
print(json.dumps({"root": os.getuid() == 0, "memory": int(limit), "read_only": read_only}))
"""
    seen = json.loads(store.python(images["demo_sum"].name, code))

    assert seen == {"root": False, "memory": 1769 * MIB, "read_only": True}


def test_importing_the_function_compiles_nothing_and_loads_nothing_heavy(
    store: Store, images: dict[str, Built]
) -> None:
    code = """
import os, sys
sys.path.insert(0, "/var/task")
import awslambdaric.bootstrap, predict.handler
loaded = {name: module for name, module in sys.modules.items() if getattr(module, "__file__", None)}
ours = {name: m for name, m in loaded.items() if m.__file__.startswith(("/opt/", "/var/task/"))}
print([name for name, m in ours.items() if m.__file__.endswith(".py") and not os.path.exists(m.__cached__)])
print(sorted({"numpy", "onnxruntime", "pydantic", "boto3", "PIL"} & set(loaded)))
"""
    assert store.python(images["file_type"].name, code).splitlines() == ["[]", "[]"]
