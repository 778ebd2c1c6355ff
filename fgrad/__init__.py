"""fgrad: functions recorded into a typed graph, transformed, and compiled for NumPy or CuPy."""
