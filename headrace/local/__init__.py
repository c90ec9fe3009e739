"""The local stack: what `headrace up` starts on this machine, without containers."""
