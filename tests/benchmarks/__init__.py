"""Benchmarks: `python -m tests.benchmarks [names]` measures the design's targets and says which are missed."""
