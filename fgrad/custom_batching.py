"""jax.custom_batching: functions with rules of their own for vmap."""

from fgrad.eager.custom_vmap import custom_vmap, sequential_vmap

__all__ = ["custom_vmap", "sequential_vmap"]
