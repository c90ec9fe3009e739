"""One module per command: parse, wire the concrete objects, run."""
