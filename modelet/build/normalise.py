"""Takes out of a graph what differs between machines and runs, and what would fail elsewhere."""

import onnx

from modelet.build import walk

# Strings are compared and folded in this locale. The operator's default, en_US, is neither in the Lambda
# base image nor in most containers, and the session would fail there; C.UTF-8 is part of glibc.
# Source: https://onnx.ai/onnx/operators/onnx__StringNormalizer.html
LOCALE = "C.UTF-8"
_FIRST_IR_WITH_PLAIN_INITIALIZERS = 4


def normalise(model: onnx.ModelProto, name: str) -> None:
    """Prepare a checked model for optimising, in place.

    Names of producers, documentation and metadata go: they hold paths, times and random ids.
    Initializers that are listed as inputs become constants, so that they can be folded.

    Args:
        model: The model.
        name: The graph's new name.
    """
    strip(model, name)
    fix_locales(model)
    _drop_inputs_with_values(model)


def strip(model: onnx.ModelProto, name: str) -> None:
    """Remove everything that does not take part in computing, in place."""
    for field in ("producer_name", "producer_version", "domain", "model_version", "doc_string"):
        model.ClearField(field)
    for part in (model, *walk.graphs(model), *walk.nodes(model), *model.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for graph in walk.graphs(model):
        graph.name = name
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            value.ClearField("metadata_props")
            value.ClearField("doc_string")
    _keep_used_opsets(model)


def _keep_used_opsets(model: onnx.ModelProto) -> None:
    """Keep one entry per domain that a node uses: exporters and ONNX Runtime list more."""
    used = {_domain(node.domain) for node in walk.nodes(model)} | {""}
    versions: dict[str, int] = {}
    for entry in model.opset_import:
        domain = _domain(entry.domain)
        versions[domain] = max(versions.get(domain, 0), entry.version)
    model.ClearField("opset_import")
    for domain, version in sorted(versions.items()):
        if domain in used:
            model.opset_import.append(onnx.helper.make_opsetid(domain, version))


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def fix_locales(model: onnx.ModelProto) -> None:
    """Let strings be compared in a locale that every machine has, in place."""
    for node in walk.nodes(model):
        if node.op_type == "StringNormalizer":
            chosen = next((a.s for a in node.attribute if a.name == "locale"), b"en_US")
            if chosen.startswith(b"en_US"):
                others = [attribute for attribute in node.attribute if attribute.name != "locale"]
                node.ClearField("attribute")
                node.attribute.extend([*others, onnx.helper.make_attribute("locale", LOCALE)])


def _drop_inputs_with_values(model: onnx.ModelProto) -> None:
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    if len(inputs) < len(model.graph.input):
        model.graph.ClearField("input")
        model.graph.input.extend(inputs)
        model.ir_version = max(model.ir_version, _FIRST_IR_WITH_PLAIN_INITIALIZERS)
