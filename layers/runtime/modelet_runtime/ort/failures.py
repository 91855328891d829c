"""The seam where ONNX Runtime's statuses become modelet's errors, in words a caller may read."""

import re

from modelet_runtime.errors import InferenceFailed, InferenceRejected
from modelet_runtime.ort.api import FAIL, INVALID_ARGUMENT, RUNTIME_EXCEPTION, OrtFailure

# The patterns are text: compiling them here would cost every cold start a millisecond.
# "Non-zero status code returned while running Gather node. Name:'lookup' Status Message: ..."
_NODE = r"Non-zero status code returned while running (\S+) node\. Name:'([^']*)' Status Message: "
# A thrown exception: "/path/file.h:91 Type Class::Function(Arguments) const [with T = int] what happened".
_THROWN = (
    r"/[^\s:]+\.(?:h|hpp|cc|cpp):\d+ [^()]*"  # the place and the function's name
    r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"  # its arguments, whose types may hold parentheses
    r"(?: const)?(?: \[with [^\]]*\])? "
    r"(?:.*? was false\. )?"  # the condition in C++
)
# A returned status: "file.h:59 Function what happened".
_RETURNED = r"(?:/\S*/)?[\w.-]+\.(?:h|hpp|cc|cpp):\d+ \S+ "
_CODE = r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : "

_CALLERS_FAULT = frozenset({FAIL, INVALID_ARGUMENT, RUNTIME_EXCEPTION})
_OUT_OF_MEMORY = r"[Ff]ailed to allocate memory|bad_alloc|[Aa]vailable memory of"


def readable(message: str) -> str:
    """ONNX Runtime's message in one line, without places in its source code."""
    message = message.partition("\nStacktrace:")[0]
    message = re.sub(_NODE, _name_node, message)
    for noise in (_THROWN, _RETURNED, _CODE):
        message = re.sub(noise, "", message)
    return " ".join(message.split())


def run_failure(failure: OrtFailure) -> InferenceRejected | InferenceFailed:
    """The error for a run that failed.

    ONNX Runtime does not tell values it cannot take from faults of its own: kernels report both as
    `FAIL`. A proven artifact leaves the values as the likely cause.
    """
    message = readable(failure.message)
    if failure.code in _CALLERS_FAULT and not re.search(_OUT_OF_MEMORY, message):
        return InferenceRejected(f"the model cannot take these values: {message}")
    return InferenceFailed(f"ONNX Runtime failed: {message}")


def _name_node(match: re.Match[str]) -> str:
    operator, name = match.groups()
    return f"{operator} '{name}': " if name else f"{operator}: "
