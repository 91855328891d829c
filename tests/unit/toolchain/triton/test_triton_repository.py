"""Model repositories are read by the protocol buffers of Triton itself."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import tritonclient
from google.protobuf import text_format
from support.artifacts import write_version
from support.graphs import softmax
from support.manifests import manifest, specs

from modelet.golden import FILE_NAME as GOLDEN_FILE
from modelet.golden import Case, Golden, Tolerance
from modelet.repository import Version
from modelet.triton import config, repository
from modelet_runtime.manifest import Endpoint
from modelet_runtime.tensor import DATATYPES, Tensor

INPUTS = specs(age=("INT64", -1), name=("BYTES", -1), pixels=("FP32", -1, 2, -1))
OUTPUTS = specs(label=("BYTES", -1), scores=("FP32", -1, 3))


def schema() -> ModuleType:
    """Triton's own schema, out of its client, without the client's need of gRPC."""
    path = Path(tritonclient.__path__[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCHEMA = schema()


def parsed(text: str):
    return text_format.Parse(text, SCHEMA.ModelConfig())


def model(**endpoint):
    return manifest(INPUTS, OUTPUTS, name="house_price", version=7, endpoint=Endpoint(**endpoint))


def case(rows: int) -> Case:
    return Case(
        (
            Tensor.from_values("age", DATATYPES["INT64"], (rows,), range(rows)),
            Tensor.from_values("name", DATATYPES["BYTES"], (rows,), ["Zoë"] * rows),
            Tensor.from_values("pixels", DATATYPES["FP32"], (rows, 2, 3), [0.5] * 6 * rows),
        ),
        (),
    )


def test_tensors_are_described_without_the_batch_axis_and_rows_have_an_axis():
    found = parsed(config.configuration(model()))

    assert (found.name, found.backend, found.max_batch_size) == ("house_price", "onnxruntime", 64)
    assert [(t.name, SCHEMA.DataType.Name(t.data_type), list(t.dims)) for t in found.input] == [
        ("age", "TYPE_INT64", [1]),
        ("name", "TYPE_STRING", [1]),
        ("pixels", "TYPE_FP32", [2, -1]),
    ]
    assert [t.HasField("reshape") for t in found.input] == [True, True, False]
    assert [(t.name, list(t.dims)) for t in found.output] == [("label", [1]), ("scores", [3])]
    assert list(found.version_policy.specific.versions) == [7]


def test_batching_instances_and_acceleration_are_the_endpoint_s():
    found = parsed(
        config.configuration(
            model(
                max_batch_size=32,
                preferred_batch_sizes=(8, 32),
                queue_delay_us=250,
                instances=3,
                accelerator="tensorrt",
            )
        )
    )

    assert found.max_batch_size == 32
    assert list(found.dynamic_batching.preferred_batch_size) == [8, 32]
    assert found.dynamic_batching.max_queue_delay_microseconds == 250
    [group] = found.instance_group
    assert (group.count, SCHEMA.ModelInstanceGroup.Kind.Name(group.kind)) == (3, "KIND_GPU")
    [accelerator] = found.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert accelerator.parameters["precision_mode"] == "FP16"


def test_on_the_cpu_nothing_is_accelerated():
    found = parsed(config.configuration(model(accelerator="tensorrt"), device="cpu"))

    assert SCHEMA.ModelInstanceGroup.Kind.Name(found.instance_group[0].kind) == "KIND_CPU"
    assert not found.HasField("optimization")


def test_a_graph_without_a_batch_axis_is_not_batched():
    fixed = manifest(specs(x=("FP32", 1, 4)), specs(y=("FP32", 1, 4)), endpoint=Endpoint())
    found = parsed(config.configuration(fixed))

    assert found.max_batch_size == 0
    assert list(found.input[0].dims) == [1, 4]
    assert not found.HasField("dynamic_batching")


@pytest.mark.parametrize("text", ['a "quoted" name', "ünïcode", "back\\slash", "tab\t"])
def test_any_name_survives(text: str):
    odd = manifest(specs(**{text: ("FP32", -1, 1)}), specs(y=("FP32", -1, 1)))

    assert parsed(config.configuration(odd)).input[0].name == text


def test_a_repository_has_the_graph_the_configuration_and_a_row_to_warm_up_with(tmp_path: Path):
    graph = tmp_path / "graph"
    graph.write_bytes(b"the graph")
    folder = repository.write(tmp_path / "models", model(preferred_batch_sizes=(4, 16)), graph, [case(2)])

    assert folder == tmp_path / "models" / "house_price"
    assert (folder / "7" / "model.onnx").read_bytes() == b"the graph"
    found = parsed((folder / "config.pbtxt").read_text())
    assert [(warm_up.name, warm_up.batch_size) for warm_up in found.model_warmup] == [
        ("golden-1", 1),
        ("golden-16", 16),
    ]
    inputs = found.model_warmup[0].inputs
    assert list(inputs["pixels"].dims) == [2, 3]
    assert list(inputs["age"].dims) == [1]
    assert (folder / "warmup" / inputs["name"].input_data_file).read_bytes() == b"\x04\0\0\0" + "Zoë".encode()
    assert (folder / "warmup" / "pixels").stat().st_size == 2 * 3 * 4


def test_a_version_s_repository_is_written_once_and_holds_its_graph(tmp_path: Path):
    version = Version(1, tmp_path / "1")
    write_version(version.folder, softmax(), "demo_softmax", target="gpu", endpoint=Endpoint())
    (version.folder / "model.onnx").write_bytes(softmax().SerializeToString())
    logits = Tensor.from_values("logits", DATATYPES["FP32"], (1, 4), [0.0] * 4)
    golden = Golden("random", Tolerance(0, 0), (Case((logits,), ()),))
    (version.folder / GOLDEN_FILE).write_bytes(golden.to_bytes())

    folder = repository.settle(version)
    graph = folder / "demo_softmax" / "1" / "model.onnx"
    written = graph.stat().st_mtime_ns

    assert graph.read_bytes() == (version.folder / "model.onnx").read_bytes()
    assert repository.settle(version) == folder
    assert graph.stat().st_mtime_ns == written
    assert [entry.name for entry in version.folder.iterdir() if entry.name.startswith(".")] == []
