"""The second form of a graph: optimised for the CPU at hand while it loads.

`model.ort` holds the graph at level *extended*, which every CPU can run, and is mapped. Level *all* adds
layouts that fit one CPU: convolutions in blocks of as many channels as a register has numbers. Saved, such
a graph would be wrong on the next CPU (blocks are of 16 with AVX-512 and of 8 without), so it is made anew
in every session, from `model.onnx`. That costs time at every cold start, and gains it in every run.
"""

from collections import Counter

from modelet.build import walk
from modelet.build.optimise import Artifact, laid_out

# A cold start may grow by this much for it: while the session loads in its thread, importing the rest of a
# function takes about as long, so most of it is not waited for.
MOST_EXTRA_LOAD_MS = 50.0
# And it has to be earned back within this many runs, which is what a rarely used environment sees.
MOST_RUNS_TO_EARN = 100


def gains_a_layout(artifact: Artifact) -> bool:
    """Whether level *all* would make another graph of it here."""
    extended, everything = (
        Counter((node.domain, node.op_type) for node in walk.nodes(graph))
        for graph in (artifact.graph, laid_out(artifact.onnx))
    )
    return extended != everything


def objection(extra_load_ms: float, saved_ms: float) -> str:
    """Why a form that runs faster may not load slower by this much; empty if it may.

    Args:
        extra_load_ms: How much longer its session takes to create.
        saved_ms: How much faster one run is.
    """
    if extra_load_ms > MOST_EXTRA_LOAD_MS:
        return f"loads {extra_load_ms:.0f} ms longer, and {MOST_EXTRA_LOAD_MS:.0f} ms are allowed"
    if extra_load_ms > max(saved_ms, 0.0) * MOST_RUNS_TO_EARN:
        return f"loads {extra_load_ms:.1f} ms longer, which {MOST_RUNS_TO_EARN} runs do not make up for"
    return ""
