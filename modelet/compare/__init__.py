"""What changes for callers and for the bill between two versions of a model."""
