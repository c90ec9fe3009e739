"""Learns from a use case's topics: learner, label join, checkpoints, the consuming loop."""
