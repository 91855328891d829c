"""The friendly route: bodies as people have them in, answers as people read them out."""

from collections.abc import Sequence
from itertools import chain

import orjson

from modelet_runtime.errors import InvalidRequest, NotAcceptable, UnsupportedMediaType
from modelet_runtime.protocols import npy, table
from modelet_runtime.protocols.json_codec import kind_of, loads
from modelet_runtime.protocols.media_type import MediaType, preferred
from modelet_runtime.steps.b64 import from_b64, is_b64
from modelet_runtime.steps.base import Answer, Value
from modelet_runtime.tensor import DATATYPES

JSON, CSV, NPY, TEXT = "application/json", "text/csv", "application/x-npy", "text/plain"
OCTETS = "application/octet-stream"
# What curl says of any `--data`: it knows no better, so the model decides.
_UNSAID = ("", "application/x-www-form-urlencoded")
# Encodings that decode in linear time; Python's others, `idna` for one, do not all.
_CHARSETS = frozenset(
    {"utf-8", "utf8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin1", "iso-8859-15"}
    | {"windows-1251", "windows-1252", "koi8-r", "gb2312", "gbk", "gb18030", "big5"}
    | {"shift_jis", "euc-jp", "euc-kr"}
)

Body = bytes | memoryview


def parse(body: Body, content_type: str, media_types: Sequence[str]) -> tuple[list[Value], bool]:
    """Turn a body into the values that the model's input steps take.

    `image/*`, `application/octet-stream` and whatever a range of the model covers are bytes;
    `text/plain` is a string; `application/json` one value or, as `{"instances": [...]}`,
    `{"dataframe_split": {...}}` or `{"dataframe_records": [...]}`, many; the lines of `text/csv` and
    the first axis of `application/x-npy` are many. `{"b64": "..."}` stands for bytes in JSON.

    Args:
        body: As sent, inflated.
        content_type: The header's value; empty if there was none.
        media_types: What the model takes.

    Returns:
        The values, and whether the client sent many, which decides the form of the answer.

    Raises:
        UnsupportedMediaType: (415) The model does not take it.
        ClientError: (400) The body is not what the media type says.
    """
    media = MediaType.parse(content_type)
    if media.name in _UNSAID and _covers(media_types, OCTETS):
        return [bytes(body)], False
    if media.name not in media_types:
        if not _covers(media_types, media.name):
            raise UnsupportedMediaType(media.name, media_types)
        return [bytes(body)], False
    if media.name == JSON:
        return _parse_json(loads(body))
    if media.name == NPY:
        return list(npy.rows(npy.read(body))), True
    if media.name == CSV:
        return table.read(_text(body, media), media.parameters.get("header")), True
    return [_text(body, media) if media.name == TEXT else bytes(body)], False


def render(answers: Sequence[Answer], many: bool, accept: str) -> tuple[bytes, str]:
    """Write answers in the media type that the client likes best.

    Args:
        answers: One per value that was sent.
        many: Whether the client sent many: then JSON is `{"predictions": [...]}`, and an array has
            the answers on its first axis.
        accept: The `Accept` header; empty takes everything.

    Returns:
        The body and its media type. Numbers that are not finite are null in JSON and empty in CSV.

    Raises:
        NotAcceptable: (406) No media type named can hold the answers.
    """
    for name in preferred(accept, (JSON, CSV, NPY)):
        if name == JSON:
            return orjson.dumps({"predictions": list(answers)} if many else answers[0]), JSON
        if name == CSV:
            return table.write(answers).encode(), f"{CSV}; charset=utf-8; header=present"
        array = _array(list(answers) if many else answers[0])
        if array is not None:
            return array, NPY
    raise NotAcceptable(f"no media type of '{accept}' can hold the answer: accept {JSON} or {CSV}")


def _covers(media_types: Sequence[str], name: str) -> bool:
    return any(MediaType.parse(media_type).covers(name) for media_type in media_types)


def _parse_json(document: Value) -> tuple[list[Value], bool]:
    if type(document) is dict and len(document) == 1:
        [(form, content)] = document.items()
        if form in ("instances", "dataframe_records"):
            return [_bytes_or(value) for value in _list(form, content)], True
        if form == "dataframe_split":
            return _data_frame(content), True
    return [_bytes_or(document)], False


def _data_frame(content: Value) -> list[Value]:
    """Rows of pandas' `to_dict(orient="split")`; without columns they count by position."""
    if type(content) is not dict:
        raise InvalidRequest("dataframe_split", "an object", kind_of(content))
    rows = _list("dataframe_split.data", content.get("data"))
    if content.get("columns") is None:
        return rows
    columns = _list("dataframe_split.columns", content["columns"])
    if len(set(map(str, columns))) != len(columns):
        raise InvalidRequest("dataframe_split.columns", "each column once", str(columns)[:80])
    for number, row in enumerate(rows):
        if type(row) is not list or len(row) != len(columns):
            actual = str(len(row)) if type(row) is list else kind_of(row)
            raise InvalidRequest(f"dataframe_split.data[{number}]", f"{len(columns)} values", actual)
    return [dict(zip(map(str, columns), row, strict=True)) for row in rows]


def _list(field: str, content: Value) -> list[Value]:
    if type(content) is not list:
        raise InvalidRequest(field, "a list", kind_of(content))
    return content


def _bytes_or(value: Value) -> Value:
    return from_b64(value) if is_b64(value) else value


def _text(body: Body, media: MediaType) -> str:
    charset = media.parameters.get("charset", "utf-8").lower()
    if charset not in _CHARSETS:
        raise InvalidRequest("content-type: charset", "a common character set", charset)
    try:
        # Spreadsheets begin UTF-8 with a byte order mark.
        return bytes(body).decode("utf-8-sig" if charset in ("utf-8", "utf8") else charset)
    except UnicodeDecodeError as error:
        raise InvalidRequest("body", f"text in {charset}", error.reason) from error


def _array(answer: Answer) -> bytes | None:
    """Nested lists of numbers as `.npy`; None if the answer is anything else."""
    shape: list[int] = []
    level: list[Answer] = [answer]
    while level and isinstance(level[0], (list, tuple)):
        width = len(level[0])
        if any(not isinstance(item, (list, tuple)) or len(item) != width for item in level):
            return None
        shape.append(width)
        level = list(chain.from_iterable(level))
    kinds = set(map(type, level))
    if kinds <= {bool} and level:
        return npy.write(DATATYPES["BOOL"], shape, level)
    if kinds == {int}:
        is_signed = min(level) < 0 or max(level) < 2**63
        return npy.write(DATATYPES["INT64" if is_signed else "UINT64"], shape, level)
    if kinds <= {float, int, type(None)}:
        floats = [float("nan") if number is None else number for number in level]
        return npy.write(DATATYPES["FP64"], shape, floats)
    return None
