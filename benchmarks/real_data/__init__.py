"""The use cases on real data: one module a data set, and the table of what came out."""
