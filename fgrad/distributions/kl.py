"""Kullback-Leibler divergences by the pair of classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from fgrad.distributions.constraint import MissingFormError
from fgrad.distributions.distribution import Distribution
from fgrad.ir.apply import caller

__all__ = ["kl_divergence", "register_kl"]

Divergence = Callable[[Any, Any], Any]
_PAIRS: dict[tuple[type, type], Divergence] = {}
_FOUND: dict[tuple[type, type], Divergence] = {}  # what a pair of classes was found to be served by


def register_kl(type_p: type, type_q: type) -> Callable[[Divergence], Divergence]:
    """A decorator for a function `f(p, q)` that computes KL(p || q) of these classes and their subclasses.

    The nearest classes win; where p's nearest and q's nearest are of different functions, p's is taken, with a RuntimeWarning.
    Raises TypeError for what is no class of distributions.
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected a Distribution subclass but got {kind}")

    def add(function: Divergence) -> Divergence:
        _PAIRS[type_p, type_q] = function
        _FOUND.clear()
        return function

    return add


def _nearest(p: type, q: type) -> Divergence | None:
    known = [(p.__mro__.index(a), q.__mro__.index(b), a, b) for a, b in _PAIRS if issubclass(p, a) and issubclass(q, b)]
    if not known:
        return None
    by_p, by_q = min(known, key=lambda k: k[:2]), min(known, key=lambda k: (k[1], k[0]))
    if _PAIRS[by_p[2:]] is not _PAIRS[by_q[2:]]:
        a, b = by_p[2:], by_q[2:]
        warnings.warn(f"Ambiguous kl_divergence({p.__name__}, {q.__name__}). Please register_kl({a[0].__name__}, {b[1].__name__})", RuntimeWarning, stacklevel=3)
    return _PAIRS[by_p[2:]]


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """KL(p || q) = E_p[log p(x) - log q(x)], of batch_shape; inf where q gives none to what p gives some.

    Raises MissingFormError for a pair that nothing was registered for.

    >>> import fgrad as torch
    >>> d = torch.distributions
    >>> d.kl_divergence(d.Normal(0.0, 1.0), d.Normal(1.0, 1.0))
    tensor(0.5000)
    """
    pair = type(p), type(q)
    function = _FOUND.get(pair) or _nearest(*pair)
    if function is None:
        raise MissingFormError(f"No KL(p || q) is implemented for p type {pair[0].__name__} and q type {pair[1].__name__}", where=caller(),
                               fix="register one with register_kl, or estimate it from samples of p")  # fmt: skip
    _FOUND[pair] = function
    return function(p, q)
