"""Iterative solvers: scipy.sparse as jax.scipy has it."""

from fgrad.scipy.sparse import linalg

__all__ = ["linalg"]
