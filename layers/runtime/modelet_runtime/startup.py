"""Bring a function up: the session loads in a thread while everything else is imported.

`begin` is called before anything heavy is imported, `finish` after. ONNX Runtime's library drops
Python's lock, so the two run side by side.
"""

from collections.abc import Callable
from functools import cache
from math import prod
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING

from modelet_runtime.digests import verify
from modelet_runtime.errors import ModeletError
from modelet_runtime.manifest import ASYNC, ONNX_FILE, ORT_FILE, Manifest
from modelet_runtime.settings import Settings

if TYPE_CHECKING:
    from modelet_runtime.http.application import Application
    from modelet_runtime.http.asynchronous import Asynchronous
    from modelet_runtime.http.messages import Response
    from modelet_runtime.jobs.submission import Submission
    from modelet_runtime.predictor import Predictor
    from modelet_runtime.session import Session
    from modelet_runtime.snapshot import Snapshot

# Files of a version that a function does not open beside its session: for people and the toolchain, or
# the graph, of which the session loads one form.
_NEVER_READ = frozenset({ORT_FILE, ONNX_FILE, "passport.json", "golden.json", "README.md"})

# Lambda gives init 10 s; a model that is slower than this warms up with its first request.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
_WARM_UP_S = 4.0


class Loading(Thread):
    """A function that is coming up."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="modelet-session", daemon=True)
        self._settings = settings
        self._manifest = Manifest.load(settings.model_dir)
        self._started_s = perf_counter()
        self._session: Session | None = None
        self._failure: Exception | None = None
        self._cold_failure: ModeletError | None = None
        self._session_load_ms = 0.0

    def run(self) -> None:
        """Verify the model, create its session and run it once; what fails is raised by `finish`."""
        try:
            self._load()
        except Exception as error:
            self._failure = error

    def finish(self, fits: "Callable[[Response], bool] | None" = None) -> "Application":
        """Import the rest, put the application together and wait for the session.

        Args:
            fits: Whether whoever carries the responses can carry one.

        Raises:
            ArtifactError: The artifact, a hook of it or the ONNX Runtime library cannot be used.
        """
        # Imported here, while the thread works: this is most of what a function imports.
        from modelet_runtime.http.application import Application  # noqa: PLC0415
        from modelet_runtime.telemetry import ColdStart, Telemetry  # noqa: PLC0415

        # Before the model's own hooks are imported, which may register callables too.
        snapshot = self._snapshot()
        predictor = self.predictor()
        cold_start = ColdStart((perf_counter() - self._started_s) * 1000, self._session_load_ms)
        telemetry = Telemetry(self._manifest, predictor.statistics, cold_start)
        if self._cold_failure is not None:
            telemetry.warn("the warm-up inference failed", self._cold_failure)
        if snapshot is not None:
            snapshot.cover(predictor, telemetry)
        return Application(predictor, telemetry.observe, fits, self._asynchronous())

    def predictor(self) -> "Predictor":
        """Build the steps and wait for the session: the model without anything that speaks HTTP.

        Raises:
            ArtifactError: The artifact, a hook of it or the ONNX Runtime library cannot be used.
        """
        from modelet_runtime.predictor import Predictor  # noqa: PLC0415
        from modelet_runtime.steps import pipeline  # noqa: PLC0415

        manifest, folder = self._manifest, self._settings.model_dir
        if self._settings.verify_digests:
            verify(folder, manifest.files, set(manifest.files) - _NEVER_READ)
        steps = pipeline.build(manifest, folder)
        return Predictor(manifest, self._wait(), steps)

    def _asynchronous(self) -> "Asynchronous":
        from modelet_runtime.http.asynchronous import Asynchronous  # noqa: PLC0415

        jobs, manifest = self._settings.jobs, self._manifest
        if jobs is None:
            return Asynchronous()

        @cache
        def open_jobs() -> "Submission":
            # AWS is imported with the first request that asks for it.
            from modelet_runtime.jobs import opening  # noqa: PLC0415

            return opening.submission(jobs, manifest.name, manifest.version)

        about = manifest.endpoint
        # A twin answers at times: then the session says who can wait for an answer.
        is_queued = about is not None and about.mode == ASYNC and not about.cpu_twin
        return Asynchronous(open_jobs, always=is_queued and self._settings.endpoint is not None)

    def _load(self) -> None:
        # Imported here, so that the library loads in this thread.
        from modelet_runtime.opening import open_session  # noqa: PLC0415

        session = open_session(self._manifest, self._settings)
        self._session_load_ms = (perf_counter() - self._started_s) * 1000
        self._session = session
        if self._settings.endpoint is not None:
            return  # nobody wakes an endpoint before somebody asks
        try:
            warm_up(session)
        except ModeletError as error:
            self._cold_failure = error

    def _snapshot(self) -> "Snapshot | None":
        if not self._settings.snap_start:
            return None
        from modelet_runtime.snapshot import Snapshot  # noqa: PLC0415  only with SnapStart

        return Snapshot(may_infer=self._settings.endpoint is None)

    def _wait(self) -> "Session":
        self.join()
        if self._failure is not None:
            raise self._failure
        assert self._session is not None
        return self._session


def begin(settings: Settings | None = None) -> Loading:
    """Start loading the session; call `finish` on what is returned.

    Raises:
        ArtifactError: The manifest cannot be read.
    """
    loading = Loading(settings or Settings.from_environment())
    loading.start()
    return loading


def warm_up(session: "Session") -> None:
    """Run the graph once on zeros, so that the first request finds it warm.

    Raises:
        ModeletError: The graph does not take zeros, or takes too long.
    """
    from modelet_runtime.tensor import DATATYPES, Tensor  # noqa: PLC0415  with the session, in its thread

    inputs = []
    for spec in session.signature.inputs:
        datatype = DATATYPES[spec.datatype]
        shape = tuple(1 if size == -1 else size for size in spec.shape)
        count = prod(shape)
        data = memoryview(bytes(count * datatype.size)) if datatype.size else (b"",) * count
        inputs.append(Tensor(spec.name, datatype, shape, data))
    session.run(inputs, timeout_s=_WARM_UP_S)
