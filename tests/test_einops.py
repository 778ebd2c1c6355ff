"""einops on both faces, against NumPy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp

einops = pytest.importorskip("einops")
X = np.arange(48.0, dtype="float32").reshape(2, 4, 6) - 20

CASES = {
    "rearrange": lambda e, x: e.rearrange(x, "b (h g) w -> b g (w h)", g=2),
    "unchanged": lambda e, x: e.rearrange(x, "... -> ..."),
    "ellipsis": lambda e, x: e.rearrange(x, "a ... b -> b ... a"),
    "new axis": lambda e, x: e.rearrange(x, "a b c -> a 1 b c"),
    "list": lambda e, x: e.rearrange([x, x * 2], "n a b c -> a (n b) c"),
    "max": lambda e, x: e.reduce(x, "b (h 2) w -> b h", "max"),
    "min": lambda e, x: e.reduce(x, "b h w -> w", "min"),
    "sum": lambda e, x: e.reduce(x, "b h w ->", "sum"),
    "mean": lambda e, x: e.reduce(x, "b h w -> b 1 w", "mean"),
    "prod": lambda e, x: e.reduce(x / 10, "b h w -> b h", "prod"),
    "any": lambda e, x: e.reduce(x > 20, "b h w -> b h", "any"),
    "all": lambda e, x: e.reduce(x > 0, "b h w -> b w", "all"),
    "repeat": lambda e, x: e.repeat(x, "b h w -> b (h k) n w", k=2, n=3),
    "einsum": lambda e, x: e.einsum(x, x, "b h w, b k w -> b h k"),
    "pack": lambda e, x: e.pack([x, x[:, 0]], "b * w")[0],
    "unpack": lambda e, x: e.unpack(x, [(2,), (2,)], "b * w")[1],
    "shape": lambda e, x: e.parse_shape(x, "b h _")["h"],
}


@pytest.mark.parametrize("face", [fgrad.tensor, jnp.array], ids=["tensor", "array"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_einops_agrees_with_numpy(name: str, face: Any) -> None:
    found, wanted = CASES[name](einops, face(X)), CASES[name](einops, X)
    if isinstance(wanted, np.ndarray | np.generic):
        assert type(found) is type(face(X))
        assert tuple(found.shape) == wanted.shape
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-5)


def test_gradients_and_jit_pass_through() -> None:
    x = fgrad.tensor(X, requires_grad=True)
    einops.reduce(einops.rearrange(x, "b h w -> w (b h)") ** 2, "w n -> w", "sum").sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * X)
    f = fgrad.jit(fgrad.vmap(lambda a: einops.rearrange(a, "h w -> (w h)")))
    np.testing.assert_allclose(np.asarray(f(jnp.array(X))), einops.rearrange(X, "b h w -> b (w h)"))
    with pytest.raises(einops.EinopsError):
        einops.rearrange(x, "a b -> b a")
    with pytest.raises(einops.EinopsError):
        einops.rearrange(x, "(a 5) b c -> a b c")


@pytest.mark.parametrize("order", ["einops, fgrad", "fgrad, einops"])
def test_either_package_may_come_first(order: str) -> None:
    code = f"import {order}; print(einops.rearrange(fgrad.ones(2, 3), 'a b -> b a').shape == (3, 2))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "True", out.stderr
