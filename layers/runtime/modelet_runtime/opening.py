"""Who runs the graph of a function: ONNX Runtime in its own process, or an endpoint.

Imported in the thread that loads the session; each kind imports what it needs and no more.
"""

from modelet_runtime.digests import verify
from modelet_runtime.manifest import Manifest
from modelet_runtime.session import Session
from modelet_runtime.settings import Settings


def open_session(manifest: Manifest, settings: Settings) -> Session:
    """The session that the settings ask for.

    Raises:
        ArtifactError: The graph or ONNX Runtime's library cannot be used.
    """
    return _in_process(manifest, settings) if settings.endpoint is None else _behind(manifest, settings)


def _in_process(manifest: Manifest, settings: Settings) -> Session:
    from modelet_runtime.ort import OrtSession, SessionOptions  # noqa: PLC0415

    if settings.verify_digests:
        verify(settings.model_dir, manifest.files, [manifest.graph.file])
    return OrtSession(
        settings.model_dir / manifest.graph.file,
        settings.threads,
        options=SessionOptions(arena=settings.arena, spinning=settings.spinning),
        library=settings.library,
    )


def _behind(manifest: Manifest, settings: Settings) -> Session:
    """The endpoint, and the version's own graph while the endpoint cannot answer."""
    from modelet_runtime.endpoint import EndpointSession, ShieldedSession  # noqa: PLC0415
    from modelet_runtime.endpoint.client import SageMakerClient  # noqa: PLC0415

    assert settings.endpoint is not None
    client = SageMakerClient(settings.endpoint, settings.endpoint_model)
    endpoint = EndpointSession(manifest.signature, client)
    if not (settings.model_dir / manifest.graph.file).is_file():
        return endpoint
    return ShieldedSession(endpoint, lambda: _in_process(manifest, settings))
