"""Makes the graph that a formula describes; prepares, prunes and calibrates once for all of them."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import onnx

from modelet.build.quantise import targets
from modelet.build.quantise.accuracy import Bound
from modelet.build.quantise.blocks import Bits, quantise_blockwise
from modelet.build.quantise.calibrate import Histogram, means, observe, ranges
from modelet.build.quantise.correct import correct_biases
from modelet.build.quantise.dynamic import quantise_dynamic
from modelet.build.quantise.engine import Feed
from modelet.build.quantise.formula import Formula
from modelet.build.quantise.gemm import split_gemms
from modelet.build.quantise.graph import GraphIndex
from modelet.build.quantise.half import halve
from modelet.build.quantise.prepare import prepare
from modelet.build.quantise.prune import prune
from modelet.build.quantise.saturation import Exposure, exposure
from modelet.build.quantise.sensitivity import Progress, Sensitivity, find_sensitive
from modelet.build.quantise.static import Architecture, activations, quantise_static
from modelet.build.quantise.switchboard import Method, Switchboard
from modelet.build.quantise.tables import quantise_tables
from modelet.build.quantise.targets import Excluded


class Quantiser:
    """One model's workshop.

    Attributes:
        graph: The graph as given, which `fp32` is.
        excluded: What a person keeps out.
        architecture: What the function runs on.
    """

    def __init__(
        self,
        graph: onnx.ModelProto,
        calibration: Sequence[Feed],
        excluded: Excluded | None = None,
        architecture: Architecture = "x86_64",
        percent: float = 99.99,
    ) -> None:
        """Take a graph; the work is done when it is first needed.

        Args:
            graph: A checked graph.
            calibration: Real samples, for `int8-static`; may be empty for all others.
            excluded: What a person keeps out.
            architecture: What the function runs on.
            percent: How much of an activation `percentile` keeps.
        """
        self.graph = graph
        self.excluded = excluded or Excluded()
        self.architecture = architecture
        self._calibration = calibration
        self._percent = percent
        self._pruned: dict[float, onnx.ModelProto] = {}
        self._histograms: dict[float, dict[str, Histogram]] = {}
        self._makers: dict[str, Callable[[Formula], onnx.ModelProto]] = {
            "fp16": self._half,
            "int8-dynamic": self._dynamic,
            "int8-static": self._static,
            "int8-weights": lambda formula: self._weights(formula, 8),
            "int4-weights": lambda formula: self._weights(formula, 4),
        }

    @cached_property
    def prepared(self) -> onnx.ModelProto:
        """The graph as quantisers want it."""
        return prepare(self.graph)

    @cached_property
    def index(self) -> GraphIndex:
        """The index of the prepared graph."""
        return GraphIndex(self.prepared)

    def make(self, formula: Formula) -> onnx.ModelProto:
        """The graph that a formula describes: a new one, still to be optimised for running.

        Raises:
            Exception: A quantiser does not take this graph; each has errors of its own.
        """
        if formula == Formula():
            return self.graph
        if formula.precision == "fp32":
            return self.base(formula.prune)
        return self._makers[formula.precision](formula)

    def sensitive(self, formula: Formula, bound: Bound, progress: Progress) -> Sensitivity:
        """Measure what each node of an int8 formula loses, and what to leave out.

        Args:
            formula: `int8-dynamic` or `int8-static` with nothing left out.
            bound: What may be lost.
            progress: Called after each measurement.
        """
        index = self.index
        if formula.precision == "int8-dynamic":
            plain = rounded = split_gemms(self.base(formula.prune))
            nodes = targets.dynamic(index, self.excluded)
            method: Method = partial(quantise_dynamic, guard=formula.guard)
        else:
            plain, nodes = self.base(formula.prune), targets.static(index, self.excluded)
            rounded = self._corrected(formula, nodes)
            method = self._static_method(formula)
        units = targets.units(index, nodes)
        board = Switchboard(plain, rounded, units, method)
        return find_sensitive(board, units, self._calibration, bound, progress)

    def exposure(self, formula: Formula) -> Exposure:
        """How many pairs of weights of an int8 formula only its guard keeps from overflowing."""
        fitting = targets.dynamic if formula.precision == "int8-dynamic" else targets.static
        nodes = [name for name in fitting(self.index, self.excluded) if name not in formula.left_out]
        return exposure(GraphIndex(self.base(formula.prune)), nodes)

    def base(self, share: float) -> onnx.ModelProto:
        """The prepared graph, pruned."""
        if share not in self._pruned:
            self._pruned[share] = prune(self.prepared, share)
        return self._pruned[share]

    def histograms(self, share: float) -> dict[str, Histogram]:
        """What the calibration samples showed of each activation of the pruned graph."""
        if share not in self._histograms:
            observed = activations(self.prepared, targets.static(self.index, self.excluded))
            self._histograms[share] = observe(self.base(share), observed, self._calibration)
        return self._histograms[share]

    def _half(self, formula: Formula) -> onnx.ModelProto:
        kept = tuple(name for name, node in self.index.nodes.items() if self.excluded.covers(node))
        return halve(self.base(formula.prune), kept)

    def _dynamic(self, formula: Formula) -> onnx.ModelProto:
        blocks, nodes = self._divide(targets.dynamic(self.index, self.excluded), formula)
        graph = quantise_dynamic(self.base(formula.prune), nodes, formula.guard)
        return self._rest(graph, blocks)

    def _static(self, formula: Formula) -> onnx.ModelProto:
        blocks, nodes = self._divide(targets.static(self.index, self.excluded), formula)
        graph = self._static_method(formula)(self._corrected(formula, nodes), nodes)
        return self._rest(graph, blocks)

    def _static_method(self, formula: Formula) -> Method:
        assert formula.calibration is not None
        found = ranges(self.histograms(formula.prune), formula.calibration, self._percent)
        return partial(quantise_static, ranges=found, architecture=self.architecture, guard=formula.guard)

    def _corrected(self, formula: Formula, nodes: Sequence[str]) -> onnx.ModelProto:
        found = means(self.histograms(formula.prune))
        return correct_biases(self.base(formula.prune), nodes, found, formula.guard)

    def _weights(self, formula: Formula, bits: Bits) -> onnx.ModelProto:
        nodes = [n for n in targets.blockwise(self.index, self.excluded) if n not in formula.left_out]
        graph = quantise_blockwise(self.base(formula.prune), nodes, bits)
        return quantise_tables(graph, targets.tables(self.index, self.excluded))

    def _divide(self, nodes: Sequence[str], formula: Formula) -> tuple[list[str], list[str]]:
        """Nodes that only store their weights in int8, and nodes that compute in it."""
        blockwise = set(targets.blockwise(self.index, self.excluded))
        left_out = set(formula.left_out)
        blocks = [name for name in nodes if name in left_out & blockwise]
        return blocks, [name for name in nodes if name not in left_out]

    def _rest(self, graph: onnx.ModelProto, blocks: Sequence[str]) -> onnx.ModelProto:
        """Store what does not compute in int8: block by block, and tables row by row."""
        if blocks:
            graph = quantise_blockwise(graph, blocks, 8)
        return quantise_tables(graph, targets.tables(self.index, self.excluded))
