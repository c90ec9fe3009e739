"""One file per use case; a folder per domain where several share events."""
