"""SciPy's functions on arrays that are recorded, differentiated, vectorised and compiled: what jax.scipy has.

special, stats (distributions), linalg, signal, fft, ndimage, optimize, integrate, interpolate. No SciPy is needed, but for the Bessel
functions and incomplete gamma functions (`pip install "fgrad[scipy]"`).
"""

from fgrad.scipy import fft, integrate, interpolate, linalg, ndimage, optimize, signal, special, stats

__all__ = ["fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "special", "stats"]
