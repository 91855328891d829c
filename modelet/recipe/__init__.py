"""`model.toml`: what a person says about a model. Every key, its default and its explanation.

document    the whole file: its tables, what they have to do with each other, and how it is read
model, export, golden, optimize, resources, endpoint, batch    the table of that name
steps       [[input.steps]] and [[output.steps]]
section     what all tables have in common
names       a model's name
complaints  what is wrong, as `key: what is wrong`
"""

from modelet.recipe.batch import Batch
from modelet.recipe.document import FILE_NAME, Recipe
from modelet.recipe.endpoint import Endpoint
from modelet.recipe.export import Export
from modelet.recipe.golden import Golden
from modelet.recipe.model import Model
from modelet.recipe.names import NAME_LIMIT, check_name
from modelet.recipe.optimize import Accuracy, Optimize
from modelet.recipe.resources import Resources
from modelet.recipe.steps import Steps

__all__ = [
    "FILE_NAME",
    "NAME_LIMIT",
    "Accuracy",
    "Batch",
    "Endpoint",
    "Export",
    "Golden",
    "Model",
    "Optimize",
    "Recipe",
    "Resources",
    "Steps",
    "check_name",
]
