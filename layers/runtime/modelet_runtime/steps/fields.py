"""What a step reads of a value: fields of a record, or the value itself."""

from collections.abc import Mapping, Sequence

from modelet_runtime.errors import ArtifactError, InvalidRequest
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps.b64 import is_b64
from modelet_runtime.steps.base import Model, Value


def take(value: Value, names: Sequence[str]) -> tuple[list[Value], dict[str, Value]]:
    """Split a value into the fields a step reads and those it leaves.

    Args:
        value: A record; as many values as names, in their order; or, for a single name, its value alone.
        names: The fields.

    Returns:
        The fields' values, and the rest of the record.

    Raises:
        InvalidRequest: (400) A field is missing, or there are more or fewer values.
    """
    if isinstance(value, Mapping) and not is_b64(value):
        for name in names:
            if name not in value:
                given = ", ".join(map(str, value)) or "no fields"
                raise InvalidRequest("record", f"the field '{name}'", given[:80])
        return [value[name] for name in names], {key: value[key] for key in value if key not in names}
    if isinstance(value, (list, tuple)) and len(value) == len(names):
        return list(value), {}
    if len(names) == 1:
        return [value], {}
    raise InvalidRequest("record", f"an object with {', '.join(names)}", type(value).__name__)


def refuse_rest(rest: Mapping[str, Value], names: Sequence[str]) -> None:
    """Refuse fields of a record that nothing reads.

    Raises:
        InvalidRequest: (400) There are some.
    """
    if rest:
        raise InvalidRequest("record", f"only {', '.join(names)}", f"the field '{next(iter(rest))}'"[:80])


def fed_input(model: Model, name: str | None, step: str) -> TensorSpec:
    """The input that a step feeds, without the batch axis: the named one, or the only one.

    Raises:
        ArtifactError: There is no such input, or there are several and none is named.
    """
    if name is None and len(model.inputs) == 1:
        return next(iter(model.inputs.values()))
    if name is None or name not in model.inputs:
        wanted = "the name of one of" if name is None else f"'{name}' among"
        raise misfit(step, f"input: expected {wanted} the model's inputs {', '.join(model.inputs)}")
    return model.inputs[name]


def text_of(value: Value, field: str) -> str:
    """Text as JSON, a table or a body holds it.

    Raises:
        InvalidRequest: (400) It is neither a string nor bytes of UTF-8.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, memoryview)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(field, "text in UTF-8", error.reason) from error
    raise InvalidRequest(field, "text", type(value).__name__)


def misfit(step: str, text: str) -> ArtifactError:
    """The error of an input step that does not fit its model."""
    return ArtifactError(f"input.steps: step '{step}': {text}")
