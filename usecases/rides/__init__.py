"""Rides: who wants to go where, and when they arrive."""
