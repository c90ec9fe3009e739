"""What is measured, each figure beside its limit or a peer, in one run."""
