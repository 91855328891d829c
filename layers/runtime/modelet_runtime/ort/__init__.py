"""ONNX Runtime's C library by `ctypes`: neither its Python binding nor numpy is imported.

session     OrtSession: load, run, close
options     how a session runs
lane        what one run at a time needs; inputs and outputs convert tensors
signature   inputs and outputs, read from the graph
deadlines   stopping runs in time
failures    statuses to modelet's errors
engine      the process's one environment
api         the C functions that are called
library     finding and opening the library
"""

from modelet_runtime.ort.library import find_library
from modelet_runtime.ort.options import SessionOptions
from modelet_runtime.ort.session import OrtSession

__all__ = ["OrtSession", "SessionOptions", "find_library"]
