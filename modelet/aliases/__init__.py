"""Which version of a model answers, and how that is changed: `aliases.toml`, promote and rollback."""
