"""scipy.integrate."""

from fgrad.numpy import trapezoid

__all__ = ["trapezoid"]
