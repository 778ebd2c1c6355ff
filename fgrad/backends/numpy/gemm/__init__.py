"""Products of matrices as native kernels: `oriented` says which product a dot_general is, `plan` which kernel computes it.

Imports go down: nodes (the products of a program), plan, then the kernels (outer, dots), then frame; oriented stands beside them.
"""
