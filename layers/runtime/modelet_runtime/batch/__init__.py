"""Batch inference: objects of a bucket in, results beside their report out (decision 0160)."""
