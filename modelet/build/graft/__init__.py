"""Graph steps: arithmetic before and after a model that becomes part of its graph.

A step is a documented, frozen dataclass of checked parameters, like the runtime's. It can do two things:
write itself into a graph with standard operators, and compute the same with numpy, so that a grafted graph
is proven against the original framework and not against itself.
"""
