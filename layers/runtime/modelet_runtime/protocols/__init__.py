"""The protocols of `WIRE`: each module parses requests to tensors and renders tensors to answers."""
