"""What the toolchain says of itself: every key of `model.toml` and every step, for pages and the shell."""
