"""How a session runs its graph; the defaults are the best found for a Lambda function."""

from ctypes import c_void_p
from dataclasses import dataclass
from typing import Literal

from modelet_runtime.ort.api import Api

# GraphOptimizationLevel, by the names ONNX Runtime's documentation uses.
Optimization = Literal["none", "basic", "extended", "all"]
_LEVELS: dict[Optimization, int] = {"none": 0, "basic": 1, "extended": 2, "all": 99}

# Mapping a `.ort` file alone still copies the weights out of the map; both together use them in place.
_ENTRIES = {
    b"session.use_memory_mapped_ort_model": b"1",
    b"session.use_ort_model_bytes_for_initializers": b"1",
}


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What may be chosen for a session.

    Attributes:
        optimization: How much a `.onnx` graph is rewritten when it is loaded; a `.ort` graph stays as
            it was saved. Only "all" includes layouts that fit this CPU alone, which is why artifacts
            are saved at "extended".
        arena: Whether memory is kept between runs. Without it a run of a convolutional network
            takes 2% longer and its peak is higher; it only pays in a process that runs once.
        spinning: Whether idle threads spin for work, which burns the CPU credits of a function.
    """

    optimization: Optimization = "all"
    arena: bool = True
    spinning: bool = False


def create_session_options(api: Api, threads: int, options: SessionOptions) -> int:
    """Make the OrtSessionOptions for `options`; the caller releases it.

    Source: https://github.com/microsoft/onnxruntime/blob/main/include/onnxruntime/core/session/onnxruntime_session_options_config_keys.h
    """
    handle = api.get(c_void_p, "CreateSessionOptions")
    try:
        api.check(api.SetSessionGraphOptimizationLevel(handle, _LEVELS[options.optimization]))
        api.check(api.SetIntraOpNumThreads(handle, threads))
        # A memory pattern is kept for every combination of input shapes ever seen, without a bound,
        # and gained nothing that could be measured.
        api.check(api.DisableMemPattern(handle))
        if not options.arena:
            api.check(api.DisableCpuMemArena(handle))
        for key, value in {**_ENTRIES, b"session.intra_op.allow_spinning": b"%d" % options.spinning}.items():
            api.check(api.AddSessionConfigEntry(handle, key, value))
    except BaseException:
        api.ReleaseSessionOptions(handle)
        raise
    return handle
