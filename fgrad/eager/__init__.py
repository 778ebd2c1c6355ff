"""Recording: cells, the tape, autograd state, and jit, grad, vmap as user functions. Imports everything below.

Inside, upwards: cell, tape < history < explain < engine (knows the whole line) < enter < record < views, convert, generator
< autograd, trace < marks, jit < grad, vmap, control. Faces (functions, numpy) put names and promotion around it.
"""
