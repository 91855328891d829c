"""Ways to store a model's weights in fewer bits: pure functions from a graph and samples to a graph.

    prepare     the graph as quantisers want it: folded, fused, shaped, every node named
    sample_set  which samples calibrate and which judge
    calibrate   the range of every activation, by three methods
    dynamic, static, blocks, tables, half, prune    one way each to make a graph smaller
    formula     what a candidate is made of: data that remakes the same graph
    sensitivity the error that each node brings alone, and what to leave out
    saturation  the same graph's answers on a CPU without VNNI
    candidates  the formulas that fit a graph

Nothing here measures time; `modelet.build.contest` does.
"""
