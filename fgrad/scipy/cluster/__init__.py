"""Vector quantisation: scipy.cluster as jax.scipy has it."""

from fgrad.scipy.cluster import vq

__all__ = ["vq"]
