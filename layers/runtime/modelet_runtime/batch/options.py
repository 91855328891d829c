"""What a person may choose for one input: in `<key>.modelet.toml`, in the object's tags, or on submission."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from modelet_runtime.batch.errors import OptionsRefused
from modelet_runtime.batch.forms.csv_table import Header
from modelet_runtime.batch.forms.sniff import Form
from modelet_runtime.batch.identity import OPTIONS_SUFFIX, ObjectRef
from modelet_runtime.batch.objects import Bucket

FORMATS = ("auto", "jsonl", "csv", "parquet", "npy")
TAG_PREFIX = "modelet:"
_LIMIT_BYTES = 64 * 1024
_FORMS = ("auto", *get_args(Form))


@dataclass(frozen=True, slots=True)
class Options:
    """One input's settings.

    Attributes:
        format: What the results are written as; `auto` is the input's own form.
        form: What the input is; `auto` looks at its bytes.
        keep: Columns of the input that the results repeat: names, or `["*"]` for all.
        failure_share: Share of failed rows above which the run stops; None is the model's setting.
        delimiter: Between the cells of a CSV input; empty looks at its first lines.
        header: Whether a CSV input begins with names: `auto`, `present` or `absent`.
    """

    format: str = "auto"
    form: str = "auto"
    keep: tuple[str, ...] = ()
    failure_share: float | None = None
    delimiter: str = ""
    header: str = "auto"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            OptionsRefused: (400) One is none of those there are.
        """
        _check("format", self.format, FORMATS)
        _check("form", self.form, _FORMS)
        _check("header", self.header, get_args(Header))
        share = self.failure_share
        if share is not None and (type(share) not in (int, float) or not 0 <= share <= 1):
            raise OptionsRefused(f"failure_share: expected 0 to 1, got {share!r}")
        if not all(isinstance(name, str) for name in self.keep):
            raise OptionsRefused(f"keep: expected names of columns, got {self.keep!r}")
        if not isinstance(self.delimiter, str) or len(self.delimiter) > 1:
            raise OptionsRefused(f"delimiter: expected one character, got {self.delimiter!r}")

    @property
    def kept(self) -> tuple[str, ...] | None:
        """As readers take it: None is no column, empty all."""
        if not self.keep:
            return None
        return () if self.keep == ("*",) else self.keep

    def to_dict(self) -> dict[str, Any]:
        """What is not the default, as JSON."""
        default = Options()
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value != getattr(default, name)
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str) -> "Options":
        """Read options.

        Raises:
            OptionsRefused: (400) One is unknown or has a wrong value.
        """
        values = dict(document)
        if unknown := sorted(set(values) - {f.name for f in fields(cls)}):
            known = ", ".join(f.name for f in fields(cls))
            raise OptionsRefused(f"{where}: unknown option {', '.join(unknown)}: there are {known}")
        keep = values.get("keep", ())
        values["keep"] = (keep,) if isinstance(keep, str) else tuple(keep)
        try:
            return cls(**values)
        except OptionsRefused as error:
            raise OptionsRefused(f"{where}: {error}") from error


def _check(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise OptionsRefused(f"{name}: expected one of {', '.join(known)}, got {value!r}")


def find(bucket: Bucket, ref: ObjectRef, submitted: Mapping[str, Any]) -> Options:
    """The options of an object: submitted ones before tags before the file beside it.

    Raises:
        OptionsRefused: (400) One is unknown or has a wrong value.
    """
    where = f"s3://{ref.bucket}/{ref.key}{OPTIONS_SUFFIX}"
    data = bucket.read_small(ref.key + OPTIONS_SUFFIX, _LIMIT_BYTES)
    try:
        beside = {} if data is None else tomllib.loads(data.decode())
    except ValueError as error:  # not TOML, or not UTF-8
        raise OptionsRefused(f"{where}: {error}") from error
    tags = {
        name.removeprefix(TAG_PREFIX): _of_tag(name.removeprefix(TAG_PREFIX), value)
        for name, value in bucket.tags(ref).items()
        if name.startswith(TAG_PREFIX)
    }
    return Options.from_dict({**beside, **tags, **submitted}, where if beside else "options")


def _of_tag(name: str, value: str) -> Any:
    """A tag's value is text without commas: lists are split at spaces."""
    if name == "keep":
        return ["*"] if value in ("*", "all") else value.split()
    if name == "failure_share":
        try:
            return float(value)
        except ValueError as error:
            raise OptionsRefused(f"tag {TAG_PREFIX}{name}: expected a number, got {value!r}") from error
    return value
