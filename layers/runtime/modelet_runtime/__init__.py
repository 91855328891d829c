"""What runs inside every modelet function: one model, its protocols, and nothing else.

Importing this package, and answering a tensor request with it, imports neither numpy nor the
onnxruntime Python binding, pydantic or boto3: that decides the cold start.
"""

__version__ = "0.1.0"
