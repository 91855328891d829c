"""From `model.toml` to a version: one module per stage, put together in `pipeline`."""
