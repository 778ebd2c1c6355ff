"""optax.perturbations: functions made smooth by random noise on their arguments.

Source: Berthet et al. 2020, arXiv:2002.08676; Foerster et al. 2018, arXiv:1802.05098 (derivatives of any order).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import fgrad.numpy as jnp
from fgrad import random, tree
from fgrad.eager.vmap import vmap
from fgrad.lax import stop_gradient
from fgrad.optim.trees import random_like

__all__ = ["Gumbel", "Normal", "make_perturbed_fun"]


class Normal:
    """Noise of density exp(-z^2 / 2) / sqrt(2 pi)."""

    def sample(self, key: Any, shape: Any = (), dtype: Any = float) -> Any:
        """Draws."""
        return random.normal(key, shape, dtype)

    def log_prob(self, inputs: Any) -> Any:
        """-z^2 / 2, without the constant."""
        return -0.5 * inputs**2


class Gumbel:
    """Noise of density exp(-z - exp(-z))."""

    def sample(self, key: Any, shape: Any = (), dtype: Any = float) -> Any:
        """Draws."""
        return random.gumbel(key, shape, dtype)

    def log_prob(self, inputs: Any) -> Any:
        """-z - exp(-z)."""
        return -inputs - jnp.exp(-inputs)


def make_perturbed_fun(fun: Callable[[Any], Any], num_samples: int = 1000, sigma: float = 0.1, noise: Any = None,
                       use_baseline: bool = True) -> Callable[[Any, Any], Any]:  # fmt: skip
    """g(key, x), the mean of fun(x + sigma z) over num_samples draws z of `noise` (Normal() unless given); x and results are trees.

    Its derivatives are those of the mean by the score of x + sigma z, so that fun may be a step (an argmax, a ranking).
    use_baseline: fun(x) is taken off in them, which has no effect on their mean and makes them vary less.

    >>> import fgrad, fgrad.numpy as jnp
    >>> g = fgrad.optim.perturbations.make_perturbed_fun(lambda x: jnp.sum(jnp.maximum(x, 0)), 1000, 0.1)
    >>> bool(abs(fgrad.grad(g, argnums=1)(fgrad.random.key(0), jnp.zeros(3)) - 0.5).max() < 0.3)
    True
    """
    law = Normal() if noise is None else noise

    def perturbed(key: Any, x: Any) -> Any:
        level = fun(tree.map(stop_gradient, x)) if use_baseline else None

        def one(own: Any) -> Any:
            drawn = random_like(own, x, law.sample)
            moved = tree.map(lambda a, z: stop_gradient(a + sigma * z), x, drawn)
            scores = tree.map(lambda a, b: jnp.sum(law.log_prob((b - a) / sigma)), x, moved)
            score = functools.reduce(operator.add, tree.leaves(scores))
            box = jnp.exp(score - stop_gradient(score))  # 1, with the score's derivatives
            value = tree.map(lambda y: box * y, fun(moved))
            return value if level is None else tree.map(lambda y, b: y + (1 - box) * b, value, level)

        return tree.map(lambda y: jnp.mean(y, axis=0), vmap(one)(random.split(key, num_samples)))

    return perturbed
