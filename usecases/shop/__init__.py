"""A card network's shop: payments, and those that their owners dispute."""
