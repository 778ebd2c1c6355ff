"""jax.experimental: what of it public programs use. io_callback; ode."""

from fgrad.eager.effects import io_callback
from fgrad.experimental import ode as ode

__all__ = ["io_callback", "ode"]
