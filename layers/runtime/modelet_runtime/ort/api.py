"""The part of ONNX Runtime's function table that modelet calls, typed.

`OrtApi` is a C structure of function pointers to which releases only append, so the index of a
function never changes.

Source: https://github.com/microsoft/onnxruntime/blob/main/include/onnxruntime/core/session/onnxruntime_c_api.h
"""

from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, PYFUNCTYPE, byref, c_bool, c_char_p, c_int, c_size_t, c_void_p, cast
from typing import Any

from modelet_runtime.ort.library import OrtApiBase, function_table

_ADDRESS, _TEXT, _INT, _SIZE = c_void_p, c_char_p, c_int, c_size_t


class Function:
    """One entry of the table.

    Attributes:
        index: Its place in `OrtApi`.
        arguments: The types of its arguments; every pointer is an address.
        result: What it returns; by default a status, which is None or the address of an OrtStatus.
        blocking: Whether the GIL is given up for it. Only where it may take long: the others end in
            well under a microsecond, and getting the GIL back from a thread that is busy importing
            takes up to `sys.getswitchinterval()`, 5 ms, for each.
    """

    __slots__ = ("arguments", "blocking", "index", "result")

    def __init__(
        self, index: int, *arguments: type, result: type | None = c_void_p, blocking: bool = False
    ) -> None:
        self.index = index
        self.arguments = arguments
        self.result = result
        self.blocking = blocking


FUNCTIONS: dict[str, Function] = {
    "GetErrorCode": Function(1, _ADDRESS, result=_INT),
    "GetErrorMessage": Function(2, _ADDRESS, result=_TEXT),
    "CreateEnv": Function(3, _INT, _TEXT, _ADDRESS, blocking=True),
    "CreateSession": Function(7, _ADDRESS, _TEXT, _ADDRESS, _ADDRESS, blocking=True),
    "CreateSessionFromArray": Function(8, _ADDRESS, _ADDRESS, _SIZE, _ADDRESS, _ADDRESS, blocking=True),
    "Run": Function(
        9, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _SIZE, _ADDRESS, _SIZE, _ADDRESS, blocking=True
    ),
    "CreateSessionOptions": Function(10, _ADDRESS),
    "DisableMemPattern": Function(17, _ADDRESS),
    "DisableCpuMemArena": Function(19, _ADDRESS),
    "SetSessionGraphOptimizationLevel": Function(23, _ADDRESS, _INT),
    "SetIntraOpNumThreads": Function(24, _ADDRESS, _INT),
    "SessionGetInputCount": Function(30, _ADDRESS, _ADDRESS),
    "SessionGetOutputCount": Function(31, _ADDRESS, _ADDRESS),
    "SessionGetInputTypeInfo": Function(33, _ADDRESS, _SIZE, _ADDRESS),
    "SessionGetOutputTypeInfo": Function(34, _ADDRESS, _SIZE, _ADDRESS),
    "SessionGetInputName": Function(36, _ADDRESS, _SIZE, _ADDRESS, _ADDRESS),
    "SessionGetOutputName": Function(37, _ADDRESS, _SIZE, _ADDRESS, _ADDRESS),
    "CreateRunOptions": Function(39, _ADDRESS),
    "RunOptionsSetTerminate": Function(46, _ADDRESS),
    "RunOptionsUnsetTerminate": Function(47, _ADDRESS),
    "CreateTensorAsOrtValue": Function(48, _ADDRESS, _ADDRESS, _SIZE, _INT, _ADDRESS),
    "CreateTensorWithDataAsOrtValue": Function(
        49, _ADDRESS, _ADDRESS, _SIZE, _ADDRESS, _SIZE, _INT, _ADDRESS
    ),
    "GetTensorMutableData": Function(51, _ADDRESS, _ADDRESS),
    "FillStringTensor": Function(52, _ADDRESS, _ADDRESS, _SIZE),
    "GetStringTensorDataLength": Function(53, _ADDRESS, _ADDRESS),
    "GetStringTensorContent": Function(54, _ADDRESS, _ADDRESS, _SIZE, _ADDRESS, _SIZE),
    "CastTypeInfoToTensorInfo": Function(55, _ADDRESS, _ADDRESS),
    "GetOnnxTypeFromTypeInfo": Function(56, _ADDRESS, _ADDRESS),
    "GetTensorElementType": Function(60, _ADDRESS, _ADDRESS),
    "GetDimensionsCount": Function(61, _ADDRESS, _ADDRESS),
    "GetDimensions": Function(62, _ADDRESS, _ADDRESS, _SIZE),
    "CreateCpuMemoryInfo": Function(69, _INT, _INT, _ADDRESS),
    "AllocatorFree": Function(76, _ADDRESS, _ADDRESS),
    "GetAllocatorWithDefaultOptions": Function(78, _ADDRESS),
    "ReleaseStatus": Function(93, _ADDRESS, result=None),
    "ReleaseSession": Function(95, _ADDRESS, result=None, blocking=True),
    "ReleaseValue": Function(96, _ADDRESS, result=None),
    "ReleaseRunOptions": Function(97, _ADDRESS, result=None),
    "ReleaseTypeInfo": Function(98, _ADDRESS, result=None),
    "ReleaseSessionOptions": Function(100, _ADDRESS, result=None),
    "AddSessionConfigEntry": Function(130, _ADDRESS, _TEXT, _TEXT),
    "GetResizedStringTensorElementBuffer": Function(252, _ADDRESS, _SIZE, _SIZE, _ADDRESS),
    "TensorTypeAndShape_HasShape": Function(390, _ADDRESS, result=c_bool),
    "GetTensorElementTypeAndShapeDataReference": Function(414, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS),
}


# The members of OrtErrorCode that modelet tells apart.
FAIL, INVALID_ARGUMENT, RUNTIME_EXCEPTION = 1, 2, 6


class OrtFailure(Exception):
    """What an OrtStatus says; never leaves the package."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Api:
    """ONNX Runtime's functions as attributes, each made callable when it is first used."""

    def __init__(self, base: OrtApiBase) -> None:
        self._table = cast(function_table(base), POINTER(c_void_p))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            function = FUNCTIONS[name]
        except KeyError:
            raise AttributeError(name) from None
        prototype = CFUNCTYPE if function.blocking else PYFUNCTYPE
        address = self._table[function.index]
        assert address is not None
        callable_ = prototype(function.result, *function.arguments)(address)
        setattr(self, name, callable_)
        return callable_

    def check(self, status: int | None) -> None:
        """Raise what a status says, and release it.

        Raises:
            OrtFailure: The status is not that of success.
        """
        if status:
            raise self.failure(status)

    def failure(self, status: int) -> OrtFailure:
        """What a status says, as an exception; the status is released."""
        code: int = self.GetErrorCode(status)
        message: bytes = self.GetErrorMessage(status) or b""
        self.ReleaseStatus(status)
        return OrtFailure(code, message.decode(errors="replace"))

    def get(self, kind: type[c_void_p | c_size_t | c_int], name: str, *arguments: object) -> int:
        """Call a function that writes its answer through its last argument.

        Args:
            kind: The C type of the answer; `c_void_p` for the address of what the function makes.
            name: The function.
            arguments: All arguments but the last.

        Raises:
            OrtFailure: The function failed.
        """
        answer = kind()
        self.check(getattr(self, name)(*arguments, byref(answer)))
        return answer.value or 0
