"""jax.custom_derivatives: functions with derivative rules of their own."""

from fgrad.eager.custom import custom_jvp, custom_vjp
from fgrad.jax_names import closure_convert, custom_gradient

__all__ = ["closure_convert", "custom_gradient", "custom_jvp", "custom_vjp"]
