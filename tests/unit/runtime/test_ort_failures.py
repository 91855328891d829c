"""What a caller reads when a run fails: ONNX Runtime's words, without its source code's places."""

from pathlib import Path

import pytest
from onnx import TensorProto, helper
from support.binding import save
from support.graphs import add_and_scale, model, table_lookup, value

from modelet_runtime.errors import (
    InferenceFailed,
    InferenceRejected,
    InvalidRequest,
    MissingTensor,
    ModeletError,
    ShapeMismatch,
    UnknownTensor,
)
from modelet_runtime.ort import OrtSession
from modelet_runtime.ort.api import OrtFailure
from modelet_runtime.ort.failures import readable, run_failure
from modelet_runtime.tensor import DATATYPES, Tensor

SOURCE = "/onnxruntime_src/onnxruntime/core"
# As onnxruntime 1.31.1 wrote them.
MESSAGES = {
    "Non-zero status code returned while running Gather node. Name:'lookup' Status Message: "
    "indices element out of data bounds, idx=7 must be within the inclusive range [-4,3]": (
        "Gather 'lookup': indices element out of data bounds, idx=7 must be within the inclusive range [-4,3]"
    ),
    "Non-zero status code returned while running Loop node. Name:'' Status Message: Non-zero status code "
    "returned while running Cast node. Name:'' Status Message: stoll": "Loop: Cast: stoll",
    "Got invalid dimensions for input: b for the following indices\n index: 1 Got: 3 Expected: 2\n"
    " Please fix either the inputs/outputs or the model.": (
        "Got invalid dimensions for input: b for the following indices index: 1 Got: 3 Expected: 2 "
        "Please fix either the inputs/outputs or the model."
    ),
    f"Non-zero status code returned while running Add node. Name:'' Status Message: {SOURCE}/providers/cpu/"
    "math/element_wise_ops.h:583 void onnxruntime::BroadcastIterator::Append(ptrdiff_t, ptrdiff_t) "
    "axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. "
    "2 by 3\n": "Add: Attempting to broadcast an axis by a dimension other than 1. 2 by 3",
    "Non-zero status code returned while running Add node. Name:'' Status Message: /onnxruntime_src/include/"
    "onnxruntime/core/framework/op_kernel_context.h:45 const T* onnxruntime::OpKernelContext::Input(int) "
    "const [with T = onnxruntime::Tensor] Missing Input: b\n": "Add: Missing Input: b",
    f"Non-zero status code returned while running Expand node. Name:'' Status Message: {SOURCE}/common/"
    "safeint.h:17 static void SafeIntExceptionHandler<onnxruntime::OnnxRuntimeException>::"
    "SafeIntOnOverflow() Integer overflow\n": "Expand: Integer overflow",
    f"Non-zero status code returned while running Expand node. Name:'' Status Message: {SOURCE}/framework/"
    "op_kernel.cc:87 virtual OrtValue* onnxruntime::OpKernelContext::OutputMLValue(int, const "
    "onnxruntime::TensorShape&) [ONNXRuntimeError] : 1 : FAIL : tensor.cc:57 CalculateTensorStorageSize "
    "Tensor shape.Size() must be >= 0\n": "Expand: Tensor shape.Size() must be >= 0",
    "Non-zero status code returned while running Concat node. Name:'' Status Message: concatbase.h:133 "
    "PrepareForComputeImpl Non concat axis dimensions must match: Axis 1 has mismatched dimensions of 4 "
    "and 3": "Concat: Non concat axis dimensions must match: Axis 1 has mismatched dimensions of 4 and 3",
    "inference_session.cc:2226 operator() ORT model verification failed.": "ORT model verification failed.",
    f"{SOURCE}/x.cc:1 void f(std::function<void(int)>, g<h(i)>) const it broke\nStacktrace:\n#0 main": (
        "it broke"
    ),
    "": "",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_readable_messages(message: str) -> None:
    assert readable(message) == MESSAGES[message]


@pytest.mark.parametrize("code", [1, 2, 6])
def test_values_the_graph_cannot_take_are_the_callers_fault(code: int) -> None:
    error = run_failure(OrtFailure(code, "k argument [5] should not be greater than 2"))
    assert isinstance(error, InferenceRejected)
    assert error.status == 400


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (5, "the engine broke"),
        (9, "not implemented"),
        (1, f"{SOURCE}/framework/bfc_arena.cc:360 void* a::B::C(size_t, d::E*) Failed to allocate memory"),
        (6, "std::bad_alloc"),
        (1, "Available memory of 3 is smaller than requested bytes of 9"),
        (99, "a code of the future"),
    ],
)
def test_other_failures_are_ours(code: int, message: str) -> None:
    error = run_failure(OrtFailure(code, message))
    assert isinstance(error, InferenceFailed)
    assert error.status == 500


def floats(name: str, *shape: int) -> Tensor:
    return Tensor.from_buffer(name, DATATYPES["FP32"], shape, bytes(4 * (shape[0] * shape[1])))


@pytest.fixture(scope="module")
def addition(tmp_path_factory: pytest.TempPathFactory) -> OrtSession:
    return OrtSession(save(tmp_path_factory.mktemp("addition"), add_and_scale()))


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (
            [floats("a", 3, 2)],
            MissingTensor,
            "input 'b' is missing: got a",
        ),
        (
            [floats("a", 3, 2), floats("b", 3, 2), floats("c", 3, 2)],
            UnknownTensor,
            "unknown input 'c': the model has a, b",
        ),
        (
            [floats("a", 3, 2), floats("b", 3, 2), floats("b", 3, 2)],
            InvalidRequest,
            "inputs: expected every input once, got a, b, b",
        ),
        (
            [floats("a", 3, 2), floats("b", 2, 2)],
            InferenceRejected,
            "the model cannot take these values: Add: Attempting to broadcast an axis by a dimension other "
            "than 1. 2 by 3",
        ),
        (
            [floats("a", 3, 2), floats("b", 3, 3)],
            InferenceRejected,
            "the model cannot take these values: Got invalid dimensions for input: b for the following "
            "indices index: 1 Got: 3 Expected: 2 Please fix either the inputs/outputs or the model.",
        ),
        (
            [floats("a", 3, 2), Tensor.from_buffer("b", DATATYPES["FP64"], (3, 2), bytes(48))],
            InferenceRejected,
            "the model cannot take these values: Unexpected input data type. Actual: (tensor(double)) , "
            "expected: (tensor(float))",
        ),
        (
            [floats("a", 3, 2), Tensor.from_buffer("b", DATATYPES["FP32"], (-3, -2), bytes(24))],
            InferenceRejected,
            "the model cannot take these values: tried creating tensor with negative value in shape",
        ),
        (
            [floats("a", 3, 2), Tensor.from_buffer("b", DATATYPES["FP32"], (2**70, 0), b"")],
            ShapeMismatch,
            "tensor 'b': expected shape dimensions of 64 bits, got [1180591620717411303424,0]",
        ),
    ],
)
def test_refused_inputs(
    addition: OrtSession, inputs: list[Tensor], error: type[ModeletError], message: str
) -> None:
    for _ in range(3):
        with pytest.raises(error) as caught:
            addition.run(inputs)
        assert str(caught.value) == message
    good = addition.run([floats("a", 3, 2), floats("b", 3, 2)])
    assert [output.name for output in good] == ["sum", "double"]


def test_values_are_refused_and_the_session_goes_on(tmp_path: Path) -> None:
    with OrtSession(save(tmp_path, table_lookup())) as session:
        for index in (1, 9, 2, 3, -9, 0):
            request = [Tensor.from_values("index", DATATYPES["INT64"], (1,), [index])]
            if 0 <= index < 4:
                assert session.run(request)[0].values().tolist() == [index]
                continue
            with pytest.raises(InferenceRejected, match=f"Gather: .* idx={index} must be within"):
                session.run(request)


def test_out_of_memory_is_no_fault_of_the_caller(tmp_path: Path) -> None:
    expand = model(
        [helper.make_node("Expand", ["x", "shape"], ["y"])],
        [value("x", TensorProto.FLOAT, ("n",)), value("shape", TensorProto.INT64, (2,))],
        [value("y", TensorProto.FLOAT, ("a", "b"))],
    )
    x = Tensor.from_values("x", DATATYPES["FP32"], (1,), [1])
    with OrtSession(save(tmp_path, expand)) as session:
        with pytest.raises(InferenceFailed, match="Failed to allocate memory"):
            session.run([x, Tensor.from_values("shape", DATATYPES["INT64"], (2,), [1 << 40, 1 << 12])])
        [y] = session.run([x, Tensor.from_values("shape", DATATYPES["INT64"], (2,), [1, 3])])
        assert y.values().tolist() == [1, 1, 1]
