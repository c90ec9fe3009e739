"""The lowest layer: what every service shares, from topics and codec to checkpoints."""
