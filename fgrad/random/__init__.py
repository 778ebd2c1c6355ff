"""Random numbers: jax.random's functions of a key, and torch.random's of the global generator.

key, split, fold_in make keys (uint32[2]); every other draw takes one and has no hidden state, so it may be used inside
jit, vmap, grad and scan. manual_seed and its kin steer the global generator that PyTorch's functions draw from.
"""

from fgrad.eager import generator
from fgrad.eager.generator import (
    Generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from fgrad.random.draws import (
    bernoulli,
    bits,
    categorical,
    cauchy,
    choice,
    exponential,
    gumbel,
    laplace,
    logistic,
    normal,
    permutation,
    rademacher,
    randint,
    shuffle,
    truncated_normal,
    uniform,
)
from fgrad.random.keys import PRNGKey, fold_in, key, key_data, split, wrap_key_data

default_generator = generator.DEFAULT

__all__ = [
    "Generator",
    "PRNGKey",
    "bernoulli",
    "bits",
    "categorical",
    "cauchy",
    "choice",
    "default_generator",
    "exponential",
    "fold_in",
    "get_rng_state",
    "gumbel",
    "initial_seed",
    "key",
    "key_data",
    "laplace",
    "logistic",
    "manual_seed",
    "normal",
    "permutation",
    "rademacher",
    "randint",
    "seed",
    "set_rng_state",
    "shuffle",
    "split",
    "truncated_normal",
    "uniform",
    "wrap_key_data",
]
