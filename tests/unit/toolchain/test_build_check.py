"""Every kind of graph that is refused, each built here."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from support.graphs import add_and_scale, identity, model, value

from modelet.build.check import Limits, check, load
from modelet.errors import GraphRefused

FLOAT = TensorProto.FLOAT


def scaled() -> onnx.ModelProto:
    """`y = x * weights`, its weights as large as external data want."""
    weights = numpy_helper.from_array(np.arange(64, dtype=np.float32), "weights")
    return model(
        [helper.make_node("Mul", ["x", "weights"], ["y"])],
        [value("x", FLOAT, ("n", 64))],
        [value("y", FLOAT, ("n", 64))],
        [weights],
    )


def with_weights_in(location: str, **entries: str) -> bytes:
    proto = scaled()
    [tensor] = proto.graph.initializer
    external_data_helper.set_external_data(tensor, location)
    for key, text in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, text
    tensor.ClearField("raw_data")
    return proto.SerializeToString()


WEIGHTS = np.arange(64, dtype=np.float32).tobytes()


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    return folder / "model.onnx"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an ONNX model: it has no graph"),
        (b"<html>404</html>", "is not an ONNX model"),
        (add_and_scale().SerializeToString()[:-7], "is not an ONNX model"),
        (b"\x80\x04\x95\x10", "is not an ONNX model"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
            "is a Git LFS pointer: fetch the file",
        ),
    ],
    ids=["empty", "html", "cut off", "pickle", "lfs"],
)
def test_a_file_that_is_no_model(path, content, message):
    path.write_bytes(content)
    with pytest.raises(GraphRefused, match=message):
        load(path)


class TestExternalData:
    def test_a_plain_file_of_the_folder_is_inlined(self, path):
        path.write_bytes(with_weights_in("weights.bin"))
        (path.parent / "weights.bin").write_bytes(WEIGHTS)
        loaded = load(path)
        assert numpy_helper.to_array(loaded.graph.initializer[0]).tobytes() == WEIGHTS
        assert loaded.graph.initializer[0].data_location == TensorProto.DEFAULT

    def test_a_part_of_a_file_in_a_folder_below(self, path):
        path.write_bytes(with_weights_in("data/weights.bin", offset="16", length="256"))
        (path.parent / "data").mkdir()
        (path.parent / "data" / "weights.bin").write_bytes(bytes(16) + WEIGHTS + bytes(9))
        assert load(path).graph.initializer[0].raw_data == WEIGHTS

    @pytest.mark.parametrize(
        ("location", "message"),
        [
            ("../outside.bin", "the path leaves the model's folder"),
            ("data/../../outside.bin", "the path leaves the model's folder"),
            ("..\\outside.bin", "expected a path relative to the model's folder"),
            ("/etc/hostname", "expected a path relative to the model's folder"),
            ("missing.bin", "No such file"),
            (".", "not a regular file"),
            ("fifo", "not a regular file"),
            ("link.bin", "'link.bin' is a symbolic link"),
            ("linked/outside.bin", "'linked' is a symbolic link"),
            ("hard.bin", "a hard link, 2 names for one file"),
        ],
    )
    def test_anything_else_is_refused(self, path, location, message):
        outside = path.parent.parent / "outside.bin"
        outside.write_bytes(WEIGHTS)
        (path.parent / "link.bin").symlink_to(outside)
        (path.parent / "linked").symlink_to(outside.parent)
        (path.parent / "hard.bin").hardlink_to(outside)
        os.mkfifo(path.parent / "fifo")
        path.write_bytes(with_weights_in(location))
        with pytest.raises(GraphRefused, match=message):
            load(path)

    def test_installers_may_link_the_files_of_packages(self, path):
        (path.parent / "weights.bin").write_bytes(WEIGHTS)
        (path.parent / "other.bin").hardlink_to(path.parent / "weights.bin")
        path.write_bytes(with_weights_in("weights.bin"))
        assert load(path, allow_hard_links=True).graph.initializer[0].raw_data == WEIGHTS

    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ({"offset": "16"}, None),
            ({"offset": "16", "length": "256"}, "expects 256 bytes at 16 of 'weights.bin', which has 256"),
            ({"offset": "-4"}, "offset: expected a number, got '-4'"),
            ({"length": "x"}, "length: expected a number, got 'x'"),
        ],
    )
    def test_a_part_outside_of_the_file(self, path, entries, message):
        path.write_bytes(with_weights_in("weights.bin", **entries))
        (path.parent / "weights.bin").write_bytes(WEIGHTS)
        with pytest.raises(GraphRefused, match=message or "is not a valid graph"):
            load(path)

    def test_weights_in_a_subgraph_are_held_to_the_same(self, path):
        branch = helper.make_graph(
            [helper.make_node("Identity", ["inner"], ["out"])],
            "branch",
            [],
            [helper.make_tensor_value_info("out", FLOAT, [64])],
            [numpy_helper.from_array(np.zeros(64, np.float32), "inner")],
        )
        proto = model(
            [helper.make_node("If", ["flag"], ["y"], then_branch=branch, else_branch=branch)],
            [value("flag", TensorProto.BOOL, ())],
            [value("y", FLOAT, (64,))],
        )
        tensor = proto.graph.node[0].attribute[0].g.initializer[0]
        external_data_helper.set_external_data(tensor, "../outside.bin")
        path.write_bytes(proto.SerializeToString())
        with pytest.raises(GraphRefused, match="the path leaves the model's folder"):
            load(path)


class TestLimits:
    def test_bytes_are_counted_before_they_are_read(self, path):
        with path.open("wb") as file:
            file.truncate(3_000_000_000)  # a sparse file: it takes no space
        with pytest.raises(GraphRefused, match="has 3,000,000,000 bytes"):
            load(path)

    def test_external_data_count(self, path):
        path.write_bytes(with_weights_in("weights.bin"))
        (path.parent / "weights.bin").write_bytes(WEIGHTS)
        size = path.stat().st_size + len(WEIGHTS)
        load(path, Limits(bytes=size))
        with pytest.raises(GraphRefused, match=f"has {size} bytes"):
            load(path, Limits(bytes=size - 1))

    def test_nodes_of_subgraphs_count(self):
        check(add_and_scale(), "m", Limits(nodes=2))
        with pytest.raises(GraphRefused, match="has 2 nodes, more than the limit of 1"):
            check(add_and_scale(), "m", Limits(nodes=1))


def unchecked(nodes, inputs, outputs, opsets=(("", 20),), functions=()) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions))


class TestOperators:
    def test_an_unknown_domain(self):
        node = helper.make_node("Magic", ["x"], ["y"], name="spell", domain="ai.acme")
        proto = unchecked(
            [node], [value("x", FLOAT, (1,))], [value("y", FLOAT, (1,))], [("", 20), ("ai.acme", 1)]
        )
        with pytest.raises(GraphRefused, match=r"node 'spell' uses operator ai.acme.Magic"):
            check(proto, "m")

    def test_an_unknown_domain_in_a_subgraph(self):
        inner = helper.make_node("Magic", [], ["out"], name="spell", domain="ai.acme")
        branch = helper.make_graph([inner], "b", [], [helper.make_tensor_value_info("out", FLOAT, [1])])
        node = helper.make_node("If", ["flag"], ["y"], then_branch=branch, else_branch=branch)
        proto = unchecked([node], [value("flag", TensorProto.BOOL, ())], [value("y", FLOAT, (1,))])
        with pytest.raises(GraphRefused, match=r"uses operator ai.acme.Magic"):
            check(proto, "m")

    def test_functions_of_the_model_itself_are_known(self):
        double = helper.make_function(
            "local",
            "Double",
            ["a"],
            ["b"],
            [helper.make_node("Add", ["a", "a"], ["b"])],
            [helper.make_opsetid("", 20)],
        )
        node = helper.make_node("Double", ["x"], ["y"], domain="local")
        opsets = [("", 20), ("local", 1)]
        check(unchecked([node], [value("x", FLOAT, (1,))], [value("y", FLOAT, (1,))], opsets, [double]), "m")

    def test_a_known_domain_needs_the_operator(self):
        node = helper.make_node("Magic", ["x"], ["y"])
        with pytest.raises(GraphRefused, match="is not a valid graph: No Op registered for Magic"):
            check(unchecked([node], [value("x", FLOAT, (1,))], [value("y", FLOAT, (1,))]), "m")

    def test_an_input_nobody_makes(self):
        node = helper.make_node("Add", ["x", "ghost"], ["y"])
        with pytest.raises(GraphRefused, match="is not a valid graph"):
            check(unchecked([node], [value("x", FLOAT, (1,))], [value("y", FLOAT, (1,))]), "m")


class TestValues:
    def test_an_output_that_is_a_sequence(self):
        output = helper.make_tensor_sequence_value_info("y", FLOAT, None)
        proto = unchecked(
            [helper.make_node("SequenceConstruct", ["x"], ["y"])], [value("x", FLOAT, (1,))], [output]
        )
        with pytest.raises(GraphRefused, match="output 'y' is no tensor but of type sequence"):
            check(proto, "m")

    def test_an_output_that_is_a_map(self):
        kind = onnx.TypeProto()
        kind.map_type.key_type = TensorProto.STRING
        kind.map_type.value_type.tensor_type.elem_type = FLOAT
        output = helper.make_value_info("y", kind)
        node = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["a"])
        proto = unchecked([node], [value("x", FLOAT, (1, 1))], [output], [("", 20), ("ai.onnx.ml", 3)])
        with pytest.raises(GraphRefused, match="output 'y' is no tensor but of type map"):
            check(proto, "m")

    def test_an_input_that_is_optional(self):
        kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, [1]))
        node = helper.make_node("OptionalGetElement", ["x"], ["y"])
        proto = unchecked([node], [helper.make_value_info("x", kind)], [value("y", FLOAT, (1,))])
        with pytest.raises(GraphRefused, match="input 'x' is no tensor but of type optional"):
            check(proto, "m")

    @pytest.mark.parametrize("datatype", ["COMPLEX64", "FLOAT8E4M3FN", "INT4"])
    def test_a_datatype_the_protocol_does_not_have(self, datatype):
        proto = identity(TensorProto.DataType.Value(datatype))
        with pytest.raises(GraphRefused, match=f"input 'x' has datatype {datatype}"):
            check(proto, "m")

    def test_an_input_without_a_shape(self):
        proto = identity()
        proto.graph.input[0].type.tensor_type.ClearField("shape")
        with pytest.raises(GraphRefused, match="input 'x' has no shape"):
            check(proto, "m")

    def test_no_output(self):
        with pytest.raises(GraphRefused, match="m has no output"):
            check(unchecked([], [value("x", FLOAT, (1,))], []), "m")
