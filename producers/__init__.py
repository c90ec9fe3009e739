"""Event sources: simulators, file replay, HTTP pollers."""
