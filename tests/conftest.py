"""What holds for every test."""

import os

from hypothesis import settings

# ONNX Runtime 1.29 and newer upload events to Microsoft and keep a device id and a database in the
# home folder, unless this is set before it is imported. The runtime sets it itself; the Python
# binding, which tests use as the peer, has to be told.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# An example that takes long says how busy the machine is, not that the code is wrong.
settings.register_profile("modelet", deadline=None)
settings.load_profile("modelet")
