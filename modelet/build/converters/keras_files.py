"""Reads Keras' files: whole models, and weights for a model that the owner's code makes.

A `.keras` file holds a configuration and weights. Nothing of it may name code: Keras' safe mode refuses
lambdas and whatever is neither Keras' own nor registered by the owner's code.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from modelet.errors import OwnerCodeFailed, SourceRefused

WEIGHTS = ".weights.h5"


def read(path: object, module: object, unused: Sequence[str]) -> object:
    """Make a model of a file.

    Args:
        path: The path of a `.keras` or a `.weights.h5`.
        module: What `model.module` returned: the model that the weights belong to; for a `.keras` file its
            custom objects by name, or None.
        unused: Not for Keras, whose weights fit or do not.

    Raises:
        SourceRefused: The file is broken or unsafe, or its weights do not fit.
        OwnerCodeFailed: `model.module` returned something else.
    """
    if unused:
        raise SourceRefused("model.unused_weights: Keras has no such choice", "remove the key")
    if not isinstance(path, Path):
        raise OwnerCodeFailed("a model of Keras has its weights already", "remove module of [model]")
    return _with_weights(path, module) if path.name.endswith(WEIGHTS) else _whole(path, module)


def _whole(path: Path, module: object) -> object:
    if module is not None and not isinstance(module, dict):
        raise OwnerCodeFailed(
            f"model.module returned a {type(module).__name__}", "return custom objects by name"
        )
    if not zipfile.is_zipfile(path):
        raise SourceRefused(f"{path.name} is no .keras file", "save the model with model.save('model.keras')")
    try:
        return keras.saving.load_model(path, custom_objects=module, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers run into
        raise SourceRefused(f"{path.name}: {_reason(error)}", _remedy(error)) from error


def _with_weights(path: Path, module: object) -> object:
    if not isinstance(module, keras.Model):
        given = "there is none" if module is None else f"model.module returned a {type(module).__name__}"
        raise SourceRefused(
            f"{path.name} holds weights and no model: {given}",
            'name the function that makes the model: module = "model.py:make" in [model]',
        )
    model: Any = module
    try:
        model.load_weights(path)
    except Exception as error:
        raise SourceRefused(f"{path.name}: {_reason(error)}", "make the model that was saved") from error
    return model


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _remedy(error: Exception) -> str:
    if "ambda" in str(error):
        return "a Lambda layer is code: write it as a layer of its own, and register that in model.module"
    return "register the classes it needs in a function that model.module names"
