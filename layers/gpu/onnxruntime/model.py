"""Triton's `onnxruntime` backend for a machine without one: the wheel, called by Triton's Python backend.

A model repository for NVIDIA's own backend runs on it unchanged. It is for trying out and for
tests; in the cloud the container's own backend takes its place.
"""

import json
import os
import sys

# The stub embeds the system's Python, which knows nothing of the environment that has the wheel.
sys.path.insert(0, os.environ["MODELET_TRITON_PACKAGES"])

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance of a model; Triton gives it batches of requests."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph of the version."""
        config = json.loads(args["model_config"])
        name = config.get("default_model_filename") or "model.onnx"
        path = os.path.join(args["model_repository"], args["model_version"], name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("MODELET_THREADS", "1"))
        wanted = ["CUDAExecutionProvider"] if args["model_instance_kind"] == "GPU" else []
        there_are = onnxruntime.get_available_providers()
        providers = [name for name in [*wanted, "CPUExecutionProvider"] if name in there_are]
        self._session = onnxruntime.InferenceSession(path, options, providers=providers)
        self._is_batched = config["max_batch_size"] > 0
        self._inputs = {given.name: len(given.shape) for given in self._session.get_inputs()}
        self._outputs = [given.name for given in self._session.get_outputs()]

    def execute(self, requests: list) -> list:
        """Run the rows of all requests together, as far as their shapes agree."""
        answers: list = [None] * len(requests)
        for positions, feeds in self._batches(requests).values():
            try:
                together = {name: np.concatenate([feed[name] for feed in feeds]) for name in self._inputs}
                outputs = self._session.run(self._outputs, together if self._is_batched else feeds[0])
            except Exception as error:
                failure = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
                for position in positions:
                    answers[position] = pb_utils.InferenceResponse(error=failure)
                continue
            rows = [len(next(iter(feed.values()))) for feed in feeds] if self._is_batched else [None]
            start = 0
            for position, count in zip(positions, rows, strict=True):
                part = slice(start, None if count is None else start + count)
                start += count or 0
                answers[position] = self._answer(requests[position], outputs, part)
        return answers

    def _batches(self, requests: list) -> dict:
        """Requests whose rows fit together: all of the same shapes, or each for itself."""
        batches: dict = {}
        for position, request in enumerate(requests):
            feed = {name: self._input(request, name) for name in self._inputs}
            shapes = tuple(array.shape[1:] for array in feed.values())
            positions, feeds = batches.setdefault(shapes if self._is_batched else position, ([], []))
            positions.append(position)
            feeds.append(feed)
        return batches

    def _input(self, request: object, name: str) -> np.ndarray:
        """An input as the graph has it: Triton's rows have an axis more where a row is one number."""
        array = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
        return array.reshape(array.shape[: self._inputs[name]]) if array.ndim > self._inputs[name] else array

    def _answer(self, request: object, outputs: list, rows: slice) -> object:
        wanted = set(request.requested_output_names())
        tensors = [
            pb_utils.Tensor(name, self._row_form(array[rows] if self._is_batched else array))
            for name, array in zip(self._outputs, outputs, strict=True)
            if name in wanted
        ]
        return pb_utils.InferenceResponse(output_tensors=tensors)

    def _row_form(self, array: np.ndarray) -> np.ndarray:
        """An output as Triton wants it: contiguous, and strings as bytes."""
        if array.dtype == object:
            return np.array([str(item).encode() for item in array.reshape(-1)], object).reshape(array.shape)
        return np.ascontiguousarray(array)
