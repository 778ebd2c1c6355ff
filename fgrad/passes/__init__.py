"""Graph -> graph: each pass takes a valid program and leaves a valid one that computes the same. Imports `primitives` and `ir`."""
