"""The toolchain: from a trained model to an artifact, a function and a service on this machine."""

__version__ = "0.1.0"
