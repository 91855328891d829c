"""A whole `model.toml`: its tables, what they have to do with each other, and how it is read."""

import json
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from modelet.errors import RecipeRefused
from modelet.recipe.batch import Batch
from modelet.recipe.complaints import first
from modelet.recipe.endpoint import Endpoint
from modelet.recipe.export import Export
from modelet.recipe.golden import Golden
from modelet.recipe.model import Model
from modelet.recipe.names import check_name
from modelet.recipe.optimize import Optimize
from modelet.recipe.resources import Resources
from modelet.recipe.section import Section
from modelet.recipe.steps import Steps

FILE_NAME = "model.toml"


class Recipe(Section):
    """A whole `model.toml`."""

    model: Model
    input: Steps = Field(default_factory=Steps)
    output: Steps = Field(default_factory=Steps)
    export: Export = Field(default_factory=Export)
    golden: Golden = Field(default_factory=Golden)
    optimize: Optimize = Field(default_factory=Optimize)
    resources: Resources = Field(default_factory=Resources)
    endpoint: Endpoint = Field(default_factory=Endpoint)
    batch: Batch = Field(default_factory=Batch)

    @model_validator(mode="after")
    def _check_samples(self) -> Self:
        wanted = self.optimize
        if self.golden.samples is None and (wanted.precision not in {"auto", "fp32"} or wanted.prune):
            raise ValueError(
                "optimize: what that loses can only be measured on real inputs: name them with samples in"
                " [golden]"
            )
        if wanted.accuracy and wanted.accuracy.metric == "accuracy_drop" and not self.golden.targets:
            raise ValueError("optimize.accuracy: accuracy_drop needs the right answers: targets in [golden]")
        return self

    @model_validator(mode="after")
    def _check_expectations(self) -> Self:
        given = self.endpoint
        if self.model.target != "auto":
            return self
        if given.deadline_ms is None or given.expected_rps is None:
            raise ValueError(
                "model.target: auto decides by deadline_ms and expected_rps: name both in [endpoint]"
            )
        if given.usd_hour is None:
            raise ValueError(
                "endpoint.instance_usd_hour: missing key, which model.target auto needs: the price of"
                f" {given.instance_type} is not known"
            )
        return self

    @classmethod
    def load(cls, folder: Path) -> "Recipe":
        """Read a model folder's `model.toml`.

        Raises:
            RecipeRefused: It is missing, not TOML, or has an unknown key or a wrong value.
        """
        path = folder / FILE_NAME
        try:
            document = tomllib.loads(path.read_text())
        except FileNotFoundError as error:
            raise RecipeRefused(f"{path} is missing", "make it with `modelet add`") from error
        except (OSError, ValueError) as error:
            raise RecipeRefused(f"{path}: {error}") from error
        recipe = cls.from_dict(document, where=str(path))
        if recipe.model.name != folder.resolve().name:
            raise RecipeRefused(
                f"{path}: model.name: expected '{folder.resolve().name}', the folder's name,"
                f" got '{recipe.model.name}'"
            )
        return recipe

    @classmethod
    def from_dict(cls, document: dict[str, Any], where: str = FILE_NAME) -> "Recipe":
        """Check a parsed `model.toml`; `where` stands before the text of errors.

        Raises:
            RecipeRefused: A key is unknown or missing, or its value is wrong.
        """
        try:
            recipe = cls.model_validate(document)
        except ValidationError as error:
            raise RecipeRefused(f"{where}: {first(error)}") from error
        check_name(recipe.model.name, f"{where}: model.name")
        return recipe

    def canonical(self) -> bytes:
        """The recipe without comments, order and defaults: equal bytes mean the same recipe."""
        document = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
