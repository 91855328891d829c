"""From `model.toml` to a version: one module per stage, put together in `pipeline`."""

import os

# Before any of these modules imports ONNX Runtime: its official builds report to Microsoft otherwise.
# Source: https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
