"""Files and objects into the input bucket."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from modelet.batch.places import Places
from modelet.errors import ServiceRefused, SourceRefused
from modelet_runtime.batch import messages
from modelet_runtime.batch.identity import is_input
from modelet_runtime.batch.options import TAG_PREFIX, Options

_S3_URI = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)")
# What S3 takes in a tag.
_TAG_VALUE = re.compile(r"[\w +\-=.:/@]*")


@dataclass(frozen=True, slots=True)
class Submitted:
    """An object in the input bucket.

    Attributes:
        key: Its key.
        version: What tells it from others of the key: version id, or ETag.
        at_s: When it was put, in epoch seconds.
    """

    key: str
    version: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Input:
    """Something to submit.

    Attributes:
        source: A local file, or bucket and key.
        key: Where it goes.
        size_bytes: Of the file; 0 for an object, which S3 copies by itself.
    """

    source: Path | tuple[str, str]
    key: str
    size_bytes: int = 0


def inputs(target: str, named: Iterable[str], prefix: str = "") -> list[Input]:
    """What a person named: files, folders and `s3://` URIs.

    Args:
        target: The model, as in the first part of a key: `NAME` or `NAME@WHICH`.
        named: As they were typed.
        prefix: Goes between the model and the file's name.

    Raises:
        SourceRefused: There is no such file, or it could be no input.
    """
    folder = "/".join(part for part in (target, prefix.strip("/")) if part)
    found = [each for name in named for each in _expanded(name, folder)]
    for each in found:
        if not is_input(each.key):
            raise SourceRefused(
                f"{each.key} would be no input", "options go beside the input that they are for"
            )
    return found


def _expanded(name: str, folder: str) -> Iterator[Input]:
    if matched := _S3_URI.fullmatch(name):
        yield Input((matched["bucket"], matched["key"]), f"{folder}/{matched['key'].rpartition('/')[2]}")
        return
    path = Path(name)
    if path.is_file():
        yield Input(path, f"{folder}/{path.name}", path.stat().st_size)
    elif path.is_dir():
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            yield Input(file, f"{folder}/{file.relative_to(path.parent).as_posix()}", file.stat().st_size)
    else:
        raise SourceRefused(f"there is no file {name}")


def tags(options: Mapping[str, Any]) -> str:
    """Options of a submission as S3 takes tags.

    Raises:
        OptionsRefused: (400) One has a wrong value.
        SourceRefused: One cannot be a tag.
    """
    chosen = Options.from_dict(options, "options").to_dict()
    if chosen.get("keep") == ["*"]:
        chosen["keep"] = ["all"]
    pairs = {
        TAG_PREFIX + name: " ".join(value) if isinstance(value, list) else str(value)
        for name, value in chosen.items()
    }
    for name, value in pairs.items():
        if not _TAG_VALUE.fullmatch(value) or any(" " in column for column in chosen.get("keep", ())):
            raise SourceRefused(
                f"{name.removeprefix(TAG_PREFIX)} = {value!r} cannot be an object's tag",
                "write it into <input>.modelet.toml beside the input",
            )
    return urlencode(pairs)


def submit(
    places: Places,
    wanted: Sequence[Input],
    options: Mapping[str, Any],
    queue_url: Callable[[str], str],
    progress: Callable[[int], None],
) -> Iterator[Submitted]:
    """Put inputs into the bucket; each begins a run. An object that is under its key already is announced.

    Args:
        places: Where.
        wanted: What.
        options: As in `.modelet.toml`.
        queue_url: Where objects of a key are announced.
        progress: Told how many bytes have gone.

    Raises:
        ServiceRefused: S3 does not take one.
    """
    s3 = places.client("s3")
    tagging = tags(options)
    extra = {"Tagging": tagging} if tagging else {}
    for each in wanted:
        at_s = time.time()
        try:
            if isinstance(each.source, Path):
                s3.upload_file(str(each.source), places.inputs, each.key, ExtraArgs=extra, Callback=progress)
            elif each.source == (places.inputs, each.key):
                found = version(s3, places.inputs, each.key)
                body = messages.start(places.inputs, each.key, options=options)
                places.client("sqs").send_message(QueueUrl=queue_url(each.key), MessageBody=body)
                yield Submitted(each.key, found, 0)
                continue
            else:
                bucket, key = each.source
                replaced = {**extra, "TaggingDirective": "REPLACE"} if extra else {}
                s3.copy({"Bucket": bucket, "Key": key}, places.inputs, each.key, ExtraArgs=replaced)
            yield Submitted(each.key, version(s3, places.inputs, each.key), at_s)
        except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
            raise ServiceRefused(f"s3://{places.inputs}/{each.key} was not put: {error}") from error


def version(s3: Any, bucket: str, key: str) -> str:
    """What tells an object's newest version from others."""
    head = s3.head_object(Bucket=bucket, Key=key)
    found: str = head.get("VersionId") or head["ETag"].strip('"')
    return found
