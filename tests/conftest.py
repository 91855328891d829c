"""What holds for every test."""

import os

# ONNX Runtime 1.29 and newer upload events to Microsoft and keep a device id and a database in the
# home folder, unless this is set before it is imported. The runtime sets it itself; the Python
# binding, which tests use as the peer, has to be told.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
