"""A shop on the web: what visitors do there."""
