"""What a run is called and where its objects lie. Standard library only: the command line reads it too."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import PurePosixPath

OPTIONS_SUFFIX = ".modelet.toml"
WORK_PREFIX = ".modelet/runs/"
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One version of one object.

    Attributes:
        bucket: Where it lies.
        key: As S3 knows it, not URL-encoded.
        version_id: Empty in a bucket without versions.
        etag: Without quotes; what tells versions apart where there are none.
        size_bytes: As stored.
    """

    bucket: str
    key: str
    version_id: str
    etag: str
    size_bytes: int

    @property
    def version(self) -> str:
        """What tells this version from others of the key."""
        return self.version_id or self.etag


def run_id(ref: ObjectRef, digest: str) -> str:
    """The run of an object with a model; equal inputs are one run, however often they are announced.

    Args:
        ref: The input.
        digest: sha256 of the model's `manifest.json`, which names the digests of its files.
    """
    return _sha256([ref.bucket, ref.key, ref.version, digest])


def retry_id(run: str, attempt: int) -> str:
    """The run that repeats another one, by its number (1, 2, ...)."""
    return _sha256([run, "retry", attempt])


def _sha256(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Selector:
    """What an input's key says of the model: `<model>/...` or `<model>@<alias or version>/...`."""

    model: str
    which: str


def selector(key: str) -> Selector:
    """Read the first part of a key; without `@` it selects `live`."""
    model, _, which = key.partition("/")[0].partition("@")
    return Selector(model, which or "live")


def is_input(key: str) -> bool:
    """Whether an object of the input bucket is to be inferred: not options, not a folder's marker."""
    return "/" in key and not key.endswith((OPTIONS_SUFFIX, "/"))


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys of a run in the output bucket.

    Attributes:
        run: The run's id.
        key: The input's key.
        version: The model's version number.
    """

    run: str
    key: str
    version: int

    @property
    def prefix(self) -> str:
        """What all results of the run begin with."""
        return f"{self.key}/v{self.version}/{self.run[:_SHOWN]}/"

    def results(self, suffix: str) -> str:
        """The results' key: the input's name with the suffix of the form that was written."""
        return self.prefix + _renamed(PurePosixPath(self.key).name, suffix)

    @property
    def errors(self) -> str:
        """The failed rows' key."""
        return f"{self.prefix}{PurePosixPath(self.key).name}.errors.jsonl"

    @property
    def success(self) -> str:
        """The report of a run that ended well."""
        return self.prefix + "_SUCCESS.json"

    @property
    def failed(self) -> str:
        """The report of a run that did not."""
        return self.prefix + "_FAILED.json"

    @property
    def plan(self) -> str:
        """The parts of a big input, for the state machine."""
        return f"{WORK_PREFIX}{self.run}/plan.json"

    def segment(self, kind: str, part: int, fence: int, number: int) -> str:
        """One segment of a part's output; `kind` is `results` or `errors`."""
        return f"{WORK_PREFIX}{self.run}/{kind}/{part:05d}/{fence:04d}-{number:05d}"


_COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")
_KNOWN = (
    ".jsonl",
    ".ndjson",
    ".json",
    ".csv",
    ".tsv",
    ".parquet",
    ".npy",
    ".npz",
    ".arrow",
    ".feather",
    ".ipc",
)


def _renamed(name: str, suffix: str) -> str:
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    for ending in _KNOWN:
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
            break
    return name + suffix
