"""Media types and their negotiation, as HTTP has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range, such as `text/csv` or `image/*`.

    Attributes:
        name: In lower case, without parameters; empty if none was sent.
        parameters: By lower-case name, unquoted.
    """

    name: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """Read the value of a `Content-Type` or one range of an `Accept`."""
        name, *parameters = text.split(";")
        pairs = (parameter.partition("=") for parameter in parameters)
        return cls(
            name.strip().lower(),
            {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs},
        )

    @property
    def quality(self) -> float:
        """The weight of a range; 1 if it has none, 0 if that is no number from 0 to 1."""
        try:
            quality = float(self.parameters.get("q", "1"))
        except ValueError:
            return 0.0
        return quality if 0.0 <= quality <= 1.0 else 0.0

    def covers(self, name: str) -> bool:
        """Whether this range takes media of type `name`."""
        kind, _, subtype = self.name.partition("/")
        return self.name in (name, "*/*") or (subtype == "*" and name.startswith(f"{kind}/"))


def preferred(accept: str, offered: Sequence[str]) -> list[str]:
    """The offered media types that an `Accept` header takes, the client's favourite first.

    Args:
        accept: The header's value; empty takes everything.
        offered: Media types, the server's favourite first, which decides between equals.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-accept
    """
    ranges = [MediaType.parse(part) for part in accept.split(",") if part.strip()]
    if not ranges:
        return list(offered)
    # The most specific range that covers a type decides its weight.
    ranges.sort(key=lambda media: media.name.count("*"))
    weights = {name: next((media.quality for media in ranges if media.covers(name)), 0.0) for name in offered}
    return sorted((name for name in offered if weights[name] > 0), key=lambda name: -weights[name])
