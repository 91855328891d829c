"""The Open Inference Protocol's answers that are not inference: metadata, statistics, configuration.

Sources:
    https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
    https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_statistics.html
    https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_model_configuration.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from modelet_runtime import __version__
from modelet_runtime.manifest import Manifest, TensorSpec
from modelet_runtime.statistics import Statistics

Document = dict[str, Any]

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "schedule_policy", "statistics")

_NEVER = {"count": 0, "ns": 0}


def server(served_by: Mapping[str, str] | None = None) -> Document:
    """Server metadata.

    Args:
        served_by: Who answers for a model, by name, where it is not whom the model is meant for.
    """
    document: Document = {"name": "modelet", "version": __version__, "extensions": EXTENSIONS}
    return document | {"parameters": {"served_by": {**served_by}}} if served_by else document


def health() -> Document:
    """Liveness and readiness in one, since implementations disagree on the key."""
    return {"live": True, "ready": True}


def model(manifest: Manifest) -> Document:
    """Model metadata."""
    return {
        "name": manifest.name,
        "versions": [str(manifest.version)],
        "platform": "onnx_onnxv1",
        "inputs": _tensors(manifest.signature.inputs),
        "outputs": _tensors(manifest.signature.outputs),
    }


def repository_index(manifest: Manifest) -> list[Document]:
    """The entries of the models that are here, in Triton's form; all of them are ready."""
    return [{"name": manifest.name, "version": str(manifest.version), "state": "READY", "reason": ""}]


def statistics(manifest: Manifest, counted: Statistics) -> Document:
    """Triton's statistics; nothing is cached, and sizes of batches are not told apart."""
    entry = counted.as_dict()
    entry["inference_stats"] |= {"cache_hit": _NEVER, "cache_miss": _NEVER}
    identity = {"name": manifest.name, "version": str(manifest.version)}
    return {"model_stats": [{**identity, **entry, "batch_stats": []}]}


def configuration(manifest: Manifest) -> Document:
    """Triton's model configuration; a `max_batch_size` of 0 says that `dims` are whole shapes."""
    return {
        "name": manifest.name,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"specific": {"versions": [manifest.version]}},
        "max_batch_size": 0,
        "input": _configured(manifest.signature.inputs),
        "output": _configured(manifest.signature.outputs),
        "instance_group": [{"name": manifest.name, "kind": "KIND_CPU", "count": 1}],
        "default_model_filename": "model.onnx",
    }


def _tensors(specs: Iterable[TensorSpec]) -> list[Document]:
    return [{"name": spec.name, "datatype": spec.datatype, "shape": spec.shape} for spec in specs]


def _configured(specs: Iterable[TensorSpec]) -> list[Document]:
    return [
        {
            "name": spec.name,
            "data_type": "TYPE_STRING" if spec.datatype == "BYTES" else f"TYPE_{spec.datatype}",
            "dims": spec.shape,
        }
        for spec in specs
    ]
