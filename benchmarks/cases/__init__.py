"""Use cases that only the benchmarks run."""
