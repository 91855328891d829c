"""Steps before and after the graph. Each is named in `model.toml` and imported only where it is used."""
