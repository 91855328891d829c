"""Guarded weights in the form in which ONNX Runtime's quantisers take them."""

from collections.abc import Collection

from modelet.build.quantise.graph import GraphIndex
from modelet.build.quantise.saturation import channel_axis, channel_limits, weight_places

# Tensor -> one entry for all its channels, or one for each.
Overrides = dict[str, list[dict[str, object]]]


def weight_overrides(
    index: GraphIndex, nodes: Collection[str], per_tensor: Collection[str] = ()
) -> Overrides:
    """Scales for the weights of these nodes with which no pair can overflow.

    Args:
        index: The graph that is quantised.
        nodes: Names of linear and recurrent nodes; others have no weights.
        per_tensor: Operators that know one scale per tensor only.
    """
    found: Overrides = {}
    for name in sorted(nodes):
        node = index.nodes[name]
        for place in weight_places(node):
            if node.op_type == "LSTM":  # its quantiser reshapes the weights, so no list would fit them
                found[node.input[place]] = [{"axis": 0, "reduce_range": True}]
                continue
            limits = channel_limits(index, node, place, "pairs")
            if node.op_type in per_tensor:
                found[node.input[place]] = [{"rmin": -limits.max(), "rmax": limits.max()}]
                continue
            axis = channel_axis(node)
            found[node.input[place]] = [{"axis": axis, "rmin": -limit, "rmax": limit} for limit in limits]
    return found
