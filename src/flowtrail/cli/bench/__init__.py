"""`flowtrail bench`: every figure as a ratio against a reference from the same run."""
