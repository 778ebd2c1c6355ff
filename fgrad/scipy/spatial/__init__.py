"""Rotations: scipy.spatial as jax.scipy has it."""

from fgrad.scipy.spatial import transform

__all__ = ["transform"]
