"""Telecom: what customers use, what they pay, and who leaves."""
