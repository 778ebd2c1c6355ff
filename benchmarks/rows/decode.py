"""Inference of a GPT with a key-value cache: a step is a whole text, token by token; the cache grows (eager) or has its full length (jit)."""

from __future__ import annotations

from typing import Any

from benchmarks.faces import Eager, Functional, labels
from benchmarks.rows.row import Row, Step
from benchmarks.rows.transformers import attend, gpt_module, gpt_shapes, heads_of, rest


class Cache:
    """Keys and values seen so far, by block."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.held: dict[Any, tuple[Any, Any]] = {}

    def grown(self, block: Any, k: Any, v: Any) -> tuple[Any, Any]:
        """Everything the block has seen, with k and v at its end."""
        if block in self.held:
            before = self.held[block]
            k, v = self.torch.cat([before[0], k], dim=2), self.torch.cat([before[1], v], dim=2)
        self.held[block] = k, v
        return k, v


def eager(e: Eager, batch: int, n: int, layers: int, wide: int, heads: int, vocabulary: int) -> Step:
    run = e.compile(e.filled(gpt_module(e, n, layers, wide, heads, vocabulary)).eval())
    texts = [e.tensor(labels((batch, n), vocabulary, i)) for i in range(2)]
    places = e.torch.arange(n)

    def step(i: int) -> Any:
        ids, cache, z = texts[i % 2], Cache(e.torch), None
        with e.torch.no_grad():
            for j in range(n):
                z = run(ids[:, j : j + 1], places[j : j + 1], cache)
                z[0, 0, 0].item()  # a reader waits for each token
        return z

    return step


def functional(f: Functional, batch: int, n: int, layers: int, wide: int, heads: int, vocabulary: int) -> Step:
    weights = f.filled(gpt_shapes(n, layers, wide, vocabulary))
    texts = [f.np.asarray(labels((batch, n), vocabulary, i)) for i in range(2)]
    zeros = f.np.zeros((batch, heads, n, wide // heads))

    def one(p: Any, cache: Any, ids: Any, at: Any) -> Any:
        token = f.lax.dynamic_slice_in_dim(ids, at, 1, axis=1)
        x = f.np.take(p["token.weight"], token, axis=0) + f.lax.dynamic_slice_in_dim(p["place.weight"], at, 1, axis=0)
        grown = []
        for i, held in enumerate(cache):
            q, *kv = heads_of(f, p, f"blocks.{i}", x, heads)
            k, v = (f.lax.dynamic_update_slice_in_dim(h, new, at, axis=2) for h, new in zip(held, kv, strict=True))
            grown.append((k, v))
            x = rest(f, p, f"blocks.{i}", x, attend(f, q, k, v, f.np.arange(n) <= at))
        return grown, f.linear(p, "head", f.layer_norm(p, "norm", x))

    compiled = f.lib.jit(one)

    def step(i: int) -> Any:
        cache, z = [(zeros, zeros)] * layers, None
        for j in range(n):
            cache, z = compiled(weights, cache, texts[i % 2], j)
            float(z[0, 0, 0])
        return z

    return step


ROWS = [
    Row(f"decode-gpt-b{b}", {"batch": b, "n": 64, "layers": 4, "wide": 256, "heads": 4, "vocabulary": 1000},
        {"n": 8, "wide": 64}, 3, 3, eager, functional)
    for b in (1, 32)
]  # fmt: skip
