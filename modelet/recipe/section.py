"""What all tables of `model.toml` have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table: unknown keys and values of another type are refused, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
