"""What distributions share: location and scale, and functions that follow from others."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import RuleError
from fgrad.ir.apply import caller
from fgrad.scipy.special import floats


class Continuous:
    """A distribution of real numbers: methods take x (or a probability q), the shapes, then loc=0 and scale=1, and broadcast.

    A subclass gives, for loc 0 and scale 1, `_logpdf(z, *shapes)`, and as far as it can `_cdf`, `_sf` and `_ppf`.
    """

    shapes: tuple[str, ...] = ()

    def _standard(self, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Any], Any, Any]:
        """(x as floats, shapes, loc, scale)."""
        names = (*self.shapes, "loc", "scale")
        given = {"loc": 0.0, "scale": 1.0, **dict(zip(names, args, strict=False)), **kwargs}
        wrong = len(args) > len(names) or set(given) != set(names)
        if wrong:
            raise TypeError(f"{type(self).__name__.lower()} takes x, {', '.join(names)}, found {len(args)} values and {sorted(kwargs)}")
        x, *rest = floats(x, *[given[k] for k in names])
        return x, rest[:-2], rest[-2], rest[-1]

    def _logpdf(self, z: Any, *shapes: Any) -> Any:
        raise NotImplementedError

    def _cdf(self, z: Any, *shapes: Any) -> Any:
        raise self._missing("cdf")

    def _sf(self, z: Any, *shapes: Any) -> Any:
        return 1 - self._cdf(z, *shapes)

    def _ppf(self, q: Any, *shapes: Any) -> Any:
        raise self._missing("ppf")

    def _logcdf(self, z: Any, *shapes: Any) -> Any:
        return jnp.log(self._cdf(z, *shapes))

    def _logsf(self, z: Any, *shapes: Any) -> Any:
        return jnp.log(self._sf(z, *shapes))

    def _isf(self, q: Any, *shapes: Any) -> Any:
        return self._ppf(1 - q, *shapes)

    def _missing(self, name: str) -> RuleError:
        return RuleError(f"{type(self).__name__.lower()}.{name} has no formula here", where=caller(), fix="use its logpdf or pdf")

    def logpdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """log of the density, -inf outside the support."""
        v, shapes, loc, scale = self._standard(x, args, kwargs)
        return self._logpdf((v - loc) / scale, *shapes) - jnp.log(scale)

    def pdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The density."""
        return jnp.exp(self.logpdf(x, *args, **kwargs))

    def cdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of at most x."""
        v, shapes, loc, scale = self._standard(x, args, kwargs)
        return self._cdf((v - loc) / scale, *shapes)

    def logcdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """log of cdf."""
        v, shapes, loc, scale = self._standard(x, args, kwargs)
        return self._logcdf((v - loc) / scale, *shapes)

    def sf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of more than x."""
        v, shapes, loc, scale = self._standard(x, args, kwargs)
        return self._sf((v - loc) / scale, *shapes)

    def logsf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """log of sf."""
        v, shapes, loc, scale = self._standard(x, args, kwargs)
        return self._logsf((v - loc) / scale, *shapes)

    def ppf(self, q: Any, *args: Any, **kwargs: Any) -> Any:
        """The inverse of cdf."""
        v, shapes, loc, scale = self._standard(q, args, kwargs)
        return self._ppf(v, *shapes) * scale + loc

    def isf(self, q: Any, *args: Any, **kwargs: Any) -> Any:
        """The inverse of sf."""
        v, shapes, loc, scale = self._standard(q, args, kwargs)
        return self._isf(v, *shapes) * scale + loc


class Discrete:
    """A distribution of whole numbers: methods take k, the shapes, then loc=0, and broadcast.

    A subclass gives, for loc 0, `_logpmf(k, *shapes)`, and as far as it can `_cdf`.
    """

    shapes: tuple[str, ...] = ()

    def _standard(self, k: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Any]]:
        names = (*self.shapes, "loc")
        given = {"loc": 0.0, **dict(zip(names, args, strict=False)), **kwargs}
        if len(args) > len(names) or set(given) != set(names):
            raise TypeError(f"{type(self).__name__.lower()} takes k, {', '.join(names)}, found {len(args)} values and {sorted(kwargs)}")
        v, *rest = floats(k, *[given[n] for n in names])
        return v - rest[-1], rest[:-1]

    def _logpmf(self, k: Any, *shapes: Any) -> Any:
        raise NotImplementedError

    def _cdf(self, k: Any, *shapes: Any) -> Any:
        raise RuleError(f"{type(self).__name__.lower()}.cdf has no formula here", where=caller(), fix="sum its pmf")

    def logpmf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """log of the probability of k, -inf where there is none."""
        v, shapes = self._standard(k, args, kwargs)
        return jnp.where(jnp.floor(v) == v, self._logpmf(v, *shapes), -jnp.inf)

    def pmf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of k."""
        return jnp.exp(self.logpmf(k, *args, **kwargs))

    def cdf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of at most k."""
        v, shapes = self._standard(k, args, kwargs)
        return self._cdf(jnp.floor(v), *shapes)

    def sf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of more than k."""
        return 1 - self.cdf(k, *args, **kwargs)

    def logcdf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """log of cdf."""
        return jnp.log(self.cdf(k, *args, **kwargs))


def inside(test: Any, value: Any, other: float = -jnp.inf) -> Any:
    """`value` where `test`, else `other`."""
    return jnp.where(test, value, other)


def at(test: Any, z: Any, instead: float) -> Any:
    """`z` where `test`, else a number that is harmless: what is not chosen must not give NaN derivatives."""
    return jnp.where(test, z, instead)
