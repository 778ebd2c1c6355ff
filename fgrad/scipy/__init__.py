"""SciPy's functions on arrays that are recorded, differentiated, vectorised and compiled: what jax.scipy has.

special, stats (distributions), linalg, signal, fft, ndimage, optimize, integrate, interpolate, cluster.vq,
spatial.transform, sparse.linalg. SciPy is needed
(`pip install "fgrad[scipy]"`) for what NumPy lacks: Bessel, incomplete gamma and hypergeometric functions, integrals,
quantiles, Schur's and Hessenberg's forms, named windows.
"""

from fgrad.scipy import (
    cluster,
    fft,
    integrate,
    interpolate,
    linalg,
    ndimage,
    optimize,
    signal,
    sparse,
    spatial,
    special,
    stats,
)

__all__ = ["cluster", "fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "sparse", "spatial", "special", "stats"]
