"""jax.stages: what `jit(f).trace`, `.lower` and `.compile` give."""

from fgrad.eager.jit import Jitted as Wrapped
from fgrad.eager.stages import Compiled, Lowered, Traced

__all__ = ["Compiled", "Lowered", "Traced", "Wrapped"]
