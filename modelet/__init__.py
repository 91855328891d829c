"""The toolchain: from a trained model to an artifact, a function and a service on this machine."""

import os

__version__ = "0.1.0"

# ONNX Runtime's official builds report events to Microsoft unless this is set before they are loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
