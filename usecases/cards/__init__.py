"""Collectible cards: what is offered, and what it is sold for."""
