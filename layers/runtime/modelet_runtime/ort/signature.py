"""Reading a session's inputs and outputs from the graph itself."""

from ctypes import c_int, c_int64, c_size_t, c_void_p, string_at

from modelet_runtime.errors import ArtifactError
from modelet_runtime.manifest import Signature, TensorSpec
from modelet_runtime.ort.engine import Engine
from modelet_runtime.tensor import BY_ONNX_TYPE

_TENSOR = 1
# By number: ONNXType, and those members of ONNXTensorElementDataType that no protocol can carry.
_VALUE_KINDS = (
    "of unknown kind",
    "a tensor",
    "a sequence",
    "a map",
    "opaque",
    "a sparse tensor",
    "an optional value",
)
_ELEMENTS = {
    14: "COMPLEX64",
    15: "COMPLEX128",
    17: "FLOAT8E4M3FN",
    18: "FLOAT8E4M3FNUZ",
    19: "FLOAT8E5M2",
    20: "FLOAT8E5M2FNUZ",
    21: "UINT4",
    22: "INT4",
    23: "FLOAT4E2M1",
}


def read_signature(engine: Engine, session: int, where: str) -> Signature:
    """The inputs and outputs of an OrtSession; `where` stands before the text of errors.

    Raises:
        ArtifactError: (500) One of them is no tensor, or one no protocol can carry.
        OrtFailure: ONNX Runtime does not tell.
    """
    return Signature(_read(engine, session, "Input", where), _read(engine, session, "Output", where))


def _read(engine: Engine, session: int, kind: str, where: str) -> tuple[TensorSpec, ...]:
    count = engine.api.get(c_size_t, f"SessionGet{kind}Count", session)
    return tuple(_spec(engine, session, kind, index, where) for index in range(count))


def _spec(engine: Engine, session: int, kind: str, index: int, where: str) -> TensorSpec:
    api = engine.api
    text = api.get(c_void_p, f"SessionGet{kind}Name", session, index, engine.allocator)
    name = string_at(text).decode()
    api.check(api.AllocatorFree(engine.allocator, text))
    type_info = api.get(c_void_p, f"SessionGet{kind}TypeInfo", session, index)
    try:
        return _tensor_spec(engine, type_info, name, f"{where}: {kind.lower()} '{name}'")
    finally:
        api.ReleaseTypeInfo(type_info)


def _tensor_spec(engine: Engine, type_info: int, name: str, subject: str) -> TensorSpec:
    api = engine.api
    value_kind = api.get(c_int, "GetOnnxTypeFromTypeInfo", type_info)
    if value_kind != _TENSOR:
        raise ArtifactError(f"{subject} is {_VALUE_KINDS[value_kind]}: only tensors can be served")
    info = api.get(c_void_p, "CastTypeInfoToTensorInfo", type_info)
    element_type = api.get(c_int, "GetTensorElementType", info)
    datatype = BY_ONNX_TYPE.get(element_type)
    if datatype is None:
        element = _ELEMENTS.get(element_type, f"elements of type {element_type}")
        raise ArtifactError(f"{subject} holds {element}, which no protocol can carry")
    if not api.TensorTypeAndShape_HasShape(info):
        raise ArtifactError(f"{subject} has no declared rank: give it a shape in the graph")
    dimensions = (c_int64 * api.get(c_size_t, "GetDimensionsCount", info))()
    api.check(api.GetDimensions(info, dimensions, len(dimensions)))
    return TensorSpec(name, datatype.name, tuple(dimensions))
