"""Draws from the default generator in the dtype and device of a tensor; those by gammas carry derivatives by their parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad import functions as t
from fgrad.eager import generator as g
from fgrad.eager.arrays import call
from fgrad.eager.convert import FACES
from fgrad.eager.jit import jit
from fgrad.eager.record import record
from fgrad.functions.call import R
from fgrad.random import counts, gammas


def normal(shape: Any, like: Any) -> Any:
    """Standard normal numbers."""
    return t.randn(shape, dtype=like.dtype, device=like.device)


def uniform(shape: Any, like: Any) -> Any:
    """Numbers of [0, 1)."""
    return t.rand(shape, dtype=like.dtype, device=like.device)


def inside(shape: Any, like: Any) -> Any:
    """Numbers of (0, 1): none is so near to 0 or 1 that its logarithm is infinite."""
    limits = t.finfo(like.dtype)
    return uniform(shape, like).clamp(min=limits.tiny, max=1 - limits.eps / 2)


def _key(like: Any) -> Any:
    """A key where `like` is."""
    return g.draw(FACES["array"], (2,), None, like._device)


def _tensor(drawn: Any, like: Any) -> Any:
    """An array as a tensor of the class and dtype of `like`."""
    return record(type(like)._result, R["convert"], (drawn,), (like._type.dtype,))


def log_gamma(a: Any) -> Any:
    """log of gamma draws of rate 1, one for each element of `a`."""
    return _tensor(gammas.loggamma(_key(a), a, None, a._type.dtype), a)


def gamma(a: Any) -> Any:
    """Gamma draws of rate 1."""
    return log_gamma(a).exp()


def dirichlet(a: Any) -> Any:
    """Points of the simplex of the last dimension, none of them at its edge."""
    x = log_gamma(a).softmax(-1)
    return x.clamp(min=t.finfo(x.dtype).tiny)


def index(logits: Any) -> Any:
    """An index of the last dimension for each row, with probability softmax(logits): the place of the largest logit plus Gumbel noise."""
    return (logits - (-inside(logits.shape, logits).log()).log()).argmax(-1)


def poisson(rate: Any) -> Any:
    """Counts of mean `rate`, one for each element, in its dtype."""
    return _tensor(counts.poisson(_key(rate), rate.detach(), dtype=np.float64), rate)


def binomial(count: Any, probs: Any) -> Any:
    """Successes of `count` trials, in the dtype of `probs`."""
    return _tensor(counts.binomial(_key(probs), count.detach(), probs.detach(), dtype=np.float64), probs)


@jit
def _cosine(key: Any, kappa: Any, r: Any) -> Any:
    def propose(u: Any, v: Any) -> tuple[Any, Any]:
        z = call("cos", math.pi * (u + 0.5))
        cosine = (1 + r * z) / (r + z)
        c = kappa * (r - cosine)
        return cosine, (c * (2 - c) > v) | (gammas.logs(c / v) + 1 >= c)

    return counts.rejected(key, r, propose)


def cosine(kappa: Any, r: Any) -> Any:
    """Cosines of von Mises angles around 0, from float64 tensors of one shape: the concentration and Best & Fisher's r."""
    return _tensor(_cosine(_key(kappa), kappa.detach(), r.detach()), kappa)
