"""inspect: a user's function on example arguments, seen through the compiler."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.capture import capture
from fgrad.eager.jit import Bound, Jitted, donation
from fgrad.errors import ArgumentError
from fgrad.inspector.report import Report, largest, report
from fgrad.numpy import asarray


def inspect(f: Callable[..., Any]) -> Callable[..., Report]:
    """`inspect(f)(*args)` is a Report on the program that `f(*args)` comes to: print it, or read its parts.

    f: a function, a transform's result, or a whole training step: it is run once, and the largest program shown (one
    that reads numbers on its way comes to several). A function that `jit` returned is recorded, not run.
    NumPy arrays among the arguments become fgrad.numpy arrays.  Raises ArgumentError if `f` computes nothing.

    >>> import fgrad
    >>> import fgrad.numpy as jnp
    >>> print(fgrad.inspect(jnp.tanh)(jnp.zeros(2)).cost.flops)
    2
    """
    if isinstance(f, Bound):  # a jitted method: its object is the first argument
        return partial(inspect(f._jitted), f._instance)
    name = getattr(f, "__name__", type(f).__name__)
    word = name if name.isidentifier() else "graph"

    def on(*args: Any, **kwargs: Any) -> Report:
        if isinstance(f, Jitted):
            graph = f.graph(*args, **kwargs)
            known = next(s for s in f._known if s.recorded.graph is graph)
            return report(graph, name=word, donated=donation(known))
        given = [_wrap(x) for x in args]
        with capture() as seen:
            result = f(
                *given, **{k: _wrap(x) for k, x in kwargs.items()}
            )  # alive until the block ends, so that it is computed
        del result
        step = largest(seen.steps)
        if step is None:
            raise ArgumentError(
                f"{name} recorded no operation", fix="inspect a function that computes with its arguments"
            )
        return report(step.graph, name=word, donated=step.donated)

    return on


def _wrap(x: Any) -> Any:
    """An argument with its NumPy arrays as fgrad's; itself if it has none."""
    if not any([isinstance(leaf, np.ndarray) for leaf in tree.leaves(x)]):
        return x
    return tree.map(lambda leaf: asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, x)
