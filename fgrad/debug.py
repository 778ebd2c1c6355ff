"""jax.debug: printing and calling Python from inside compiled functions."""

from fgrad.eager.effects import debug_callback as callback
from fgrad.eager.effects import debug_print as print  # JAX's name

__all__ = ["callback", "print"]
