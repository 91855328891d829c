"""Version folders for tests that need an artifact but not the toolchain that builds one."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from modelet_runtime.manifest import (
    FILE_NAME,
    FileDigest,
    Graph,
    Manifest,
    Resources,
    Signature,
    Source,
    TensorSpec,
)
from modelet_runtime.tensor import BY_ONNX_TYPE


def write_version(
    folder: Path,
    proto: onnx.ModelProto,
    name: str = "demo_model",
    assets: Mapping[str, bytes] | None = None,
    **changes: Any,
) -> Manifest:
    """Write `model.ort`, assets and `manifest.json` for a graph; `changes` replace fields of the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for asset, content in (assets or {}).items():
        (folder / asset).write_bytes(content)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    shipped = {"model.ort": (folder / "model.ort").read_bytes(), **(assets or {})}
    fields: dict[str, Any] = {
        "name": name,
        "version": 1,
        "description": "a graph of a test",
        "target": "cpu",
        "source": Source("onnx", "model.onnx", "0" * 64),
        "signature": Signature(_specs(proto.graph.input), _specs(proto.graph.output)),
        "input_steps": (),
        "output_steps": (),
        "labels": (),
        "graph": Graph({"ai.onnx": 20}, {node.op_type: 1 for node in proto.graph.node}),
        "resources": Resources(),
        "layers": (),
        "files": {
            file: FileDigest(hashlib.sha256(data).hexdigest(), len(data)) for file, data in shipped.items()
        },
        "tools": {"onnxruntime": onnxruntime.__version__},
    }
    manifest = Manifest(**{**fields, **changes})
    (folder / FILE_NAME).write_text(json.dumps(manifest.to_dict(), indent=2))
    return manifest


def _specs(values: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            value.name,
            BY_ONNX_TYPE[value.type.tensor_type.elem_type].name,
            tuple(
                dim.dim_value if dim.HasField("dim_value") else -1 for dim in value.type.tensor_type.shape.dim
            ),
        )
        for value in values
    )
