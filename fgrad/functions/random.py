"""PyTorch's random functions: draws from a Generator, recorded like any operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager import generator as g
from fgrad.eager.record import record, record_items
from fgrad.errors import ArgumentError
from fgrad.functions.call import R, binary, compose, compose_many
from fgrad.functions.dtypes import as_numpy, default_float
from fgrad.functions.pointwise import into
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype
from fgrad.ir.types import CPU, Device
from fgrad.primitives import composites as c
from fgrad.primitives import sampling

__all__ = [
    "Generator", "bernoulli", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "multinomial",
    "seed", "set_rng_state",
]  # fmt: skip

Generator = g.Generator
default_generator = g.DEFAULT
manual_seed, seed, initial_seed = g.manual_seed, g.seed, g.initial_seed
get_rng_state, set_rng_state = g.get_rng_state, g.set_rng_state


def bits_for(cls: Any, shape: tuple[int, ...], dtype: Dtype, generator: Any, device: Device = CPU) -> Any:
    """Random words for numbers of `dtype`."""
    return g.draw(cls, (*shape, sampling.words(dtype)), generator, device)


def uniform_values(cls: Any, shape: tuple[int, ...], low: float, high: float, generator: Any, dtype: Any = None,
                   device: Device = CPU) -> Any:  # fmt: skip
    """Uniform draws of [low, high)."""
    d = dtype or default_float()
    return compose(sampling.uniform, bits_for(cls, shape, d, generator, device), dtype=d, low=float(low), high=float(high))


def normal_values(cls: Any, shape: tuple[int, ...], mean: float, std: float, generator: Any, dtype: Any = None,
                  device: Device = CPU) -> Any:  # fmt: skip
    """Normal draws."""
    d = dtype or default_float()
    if std < 0:
        raise ArgumentError(f"normal expects std >= 0.0, but found std {std}", where=caller(), fix="use a positive std")
    x = compose(sampling.normal, bits_for(cls, shape, d, generator, device), dtype=d)
    x = x if std == 1 else binary(R["mul"], x, float(std))
    return x if mean == 0 else binary(R["add"], x, float(mean))


def bernoulli_bits(cls: Any, shape: tuple[int, ...], p: Any, generator: Any, device: Device = CPU) -> Any:
    """Booleans, True with probability `p` (a number, or a tensor that broadcasts)."""
    bits = bits_for(cls, shape, np.dtype("float32"), generator, device)
    if isinstance(p, int | float):
        if not 0 <= p <= 1:
            raise ArgumentError(f"bernoulli expects p to be in [0, 1], but got p={p}", where=caller(), fix="use 0 to 1")
        return compose(_below, bits, p=float(p))
    return compose(sampling.bernoulli, bits, p)


def _below(bits: Any, *, p: float) -> Any:
    return c.lt(sampling.unit(bits, dtype=sampling.FLOAT32), c.constant(np.float32(p)))


def integer_values(cls: Any, shape: tuple[int, ...], low: int, high: int, generator: Any, dtype: Any = None,
                   device: Device = CPU) -> Any:  # fmt: skip
    """Integers of [low, high)."""
    if high <= low:
        raise ArgumentError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}",
                            where=caller(), fix="give a non-empty range")  # fmt: skip
    d = np.dtype("int64") if dtype is None else as_numpy(dtype)
    bits = g.draw(cls, (*shape, 2), generator, device)
    return compose(sampling.integers, bits, low=int(low), high=int(high), dtype=d)


def permutation_values(cls: Any, n: int, generator: Any, device: Device = CPU) -> Any:
    """A random order of 0..n-1: positions sorted by 64 random bits."""
    bits = g.draw(cls, (n, 2), generator, device)
    keys = compose_many(_two_words, bits)
    found = record_items(cls, R["sort"], keys, sort_params(2))
    return found[2]


def sort_params(keys: int) -> tuple[Any, ...]:
    """Parameters of the sort primitive over the last axis."""
    given = {"axis": 0, "num_keys": keys, "descending": False}
    return tuple([given[n] for n in R["sort"].params])


def _two_words(bits: Any) -> tuple[Any, Any, Any]:
    n = bits.shape[0]
    return sampling.word(bits, 0), sampling.word(bits, 1), c.iota(
        shape=(n,), dtype=np.dtype("int64"), axis=0, device=bits.device
    )


def bernoulli(input: Any, p: float | None = None, *, generator: Any = None, out: Any = None) -> Any:
    """1 with the probability each element gives (with probability `p`, if given), else 0, in the dtype of the input."""
    drawn = bernoulli_bits(type(input)._result, input._type.shape, input if p is None else p, generator, input._device)
    return into(out, record(type(input)._result, R["convert"], (drawn,), (input._type.dtype,)))


def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Any = None, out: Any = None) -> Any:
    """Indices drawn with probability proportional to each row's weights, int64[..., num_samples].

    Without replacement by the Gumbel top-k rule (Vieira 2014).
    """
    return into(out, _multinomial(input, num_samples, replacement, generator))


def _multinomial(input: Any, num_samples: int, replacement: bool, generator: Any) -> Any:
    shape = input._type.shape
    if not replacement and num_samples > shape[-1]:
        raise ArgumentError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement", where=caller(),
            fix="draw fewer, or pass replacement=True",
        )  # fmt: skip
    cls, device = type(input)._result, input._device
    if replacement:
        bits = bits_for(cls, (*shape[:-1], num_samples, shape[-1]), np.dtype("float32"), generator, device)
        return record(cls, R["argmax"], (compose(_gumbel_rows, input, bits),), (len(shape),))
    bits = bits_for(cls, shape, np.dtype("float32"), generator, device)
    scores = compose(_gumbel, input, bits)
    return record_items(cls, R["top_k"], (scores,), (num_samples, len(shape) - 1, True))[1]


def _gumbel(p: Any, bits: Any) -> Any:
    u = c.maximum(sampling.unit(bits, dtype=sampling.FLOAT32), c.constant(np.float32(2.0**-25)))
    noise = -c.log(-c.log(u))
    return c.log(c.convert(p, dtype=sampling.FLOAT32)) + noise


def _gumbel_rows(p: Any, bits: Any) -> Any:
    shape = bits.shape[:-1]
    wide = c.broadcast_to(c.reshape(p, shape=(*p.shape[:-1], 1, p.shape[-1])), shape=shape)
    return _gumbel(wide, bits)


def shape_of(args: Sequence[Any]) -> tuple[int, ...]:
    """`rand(2, 3)` and `rand((2, 3))` alike."""
    given = args[0] if len(args) == 1 and isinstance(args[0], tuple | list) else args
    return tuple([int(d) for d in given])
