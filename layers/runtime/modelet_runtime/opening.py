"""Who runs the graph of a function: ONNX Runtime in its own process, or an endpoint.

Imported in the thread that loads the session; each kind imports what it needs and no more.
"""

from collections.abc import Callable
from functools import partial

from modelet_runtime.digests import verify
from modelet_runtime.manifest import ASYNC, Endpoint, Manifest
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
    assert settings.endpoint is not None
    about = manifest.endpoint or Endpoint()
    load_twin = partial(_in_process, manifest, settings) if about.cpu_twin else None
    if about.mode == ASYNC:
        return _queued(manifest, settings, about, load_twin)
    from modelet_runtime.endpoint import EndpointSession, ShieldedSession  # noqa: PLC0415
    from modelet_runtime.endpoint.client import SageMakerClient  # noqa: PLC0415

    client = SageMakerClient(settings.endpoint, settings.endpoint_model)
    endpoint = EndpointSession(manifest.signature, client)
    return ShieldedSession(endpoint, load_twin) if load_twin else endpoint


def _queued(
    manifest: Manifest, settings: Settings, about: Endpoint, load_twin: Callable[[], Session] | None
) -> Session:
    """The endpoint's queue, and the version's own graph for whoever waits while nobody takes from it."""
    from modelet_runtime.endpoint import AsyncEndpointSession, AsyncShieldedSession  # noqa: PLC0415
    from modelet_runtime.endpoint.presence import Presence  # noqa: PLC0415
    from modelet_runtime.endpoint.queue import SageMakerQueue  # noqa: PLC0415

    assert settings.endpoint is not None
    bucket = settings.jobs.bucket if settings.jobs else None
    queue = SageMakerQueue.of(settings.endpoint, bucket)
    endpoint = AsyncEndpointSession(manifest.signature, queue, about.timeout_s)
    if load_twin is None:
        return endpoint
    return AsyncShieldedSession(endpoint, Presence.of(settings.endpoint), load_twin)
