"""Transformers: ViT-tiny on 32x32 images, GPTs trained with AdamW, and the time until a 12-layer GPT's first step is done."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.faces import Eager, Functional, labels, numbers
from benchmarks.rows.row import Row, Step

PATCH = 4


def block_class(e: Eager) -> Any:
    """A pre-norm block: attention of `heads` heads, then an MLP four times as wide."""
    nn, attention = e.torch.nn, e.torch.nn.functional.scaled_dot_product_attention

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, wide: int, heads: int, causal: bool) -> None:
            super().__init__()
            self.heads, self.causal = heads, causal
            self.norm1, self.norm2, self.act = nn.LayerNorm(wide), nn.LayerNorm(wide), nn.GELU(approximate="tanh")
            self.qkv, self.out = nn.Linear(wide, 3 * wide), nn.Linear(wide, wide)
            self.up, self.down = nn.Linear(wide, 4 * wide), nn.Linear(4 * wide, wide)

        def forward(self, x: Any, cache: Any = None) -> Any:
            b, n, c = x.shape
            q, k, v = (t.reshape(b, n, self.heads, -1).transpose(1, 2) for t in self.qkv(self.norm1(x)).chunk(3, dim=-1))
            if cache is not None:
                k, v = cache.grown(self, k, v)
            y = attention(q, k, v, is_causal=self.causal and cache is None)
            x = x + self.out(y.transpose(1, 2).reshape(b, n, c))
            return x + self.down(self.act(self.up(self.norm2(x))))

    return Block


def block_shapes(name: str, wide: int) -> dict[str, tuple[int, ...]]:
    linears = {"qkv": (3 * wide, wide), "out": (wide, wide), "up": (4 * wide, wide), "down": (wide, 4 * wide)}
    found: dict[str, tuple[int, ...]] = {f"{name}.{k}.weight": s for k, s in linears.items()}
    found |= {f"{name}.{k}.bias": s[:1] for k, s in linears.items()}
    return found | {f"{name}.norm{i}.{part}": (wide,) for i in (1, 2) for part in ("weight", "bias")}


def attend(f: Functional, q: Any, k: Any, v: Any, mask: Any) -> Any:
    """softmax(q k / sqrt(d)) v, where the mask allows it; all [batch, heads, n, d]."""
    scores = q @ f.np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = f.np.where(mask, scores, -1e30)
    return f.nn.softmax(scores, axis=-1) @ v


def heads_of(f: Functional, p: Any, name: str, x: Any, heads: int) -> list[Any]:
    """q, k, v of the normalised x, each [batch, heads, n, d]."""
    b, n, c = x.shape
    parts = f.np.split(f.linear(p, f"{name}.qkv", f.layer_norm(p, f"{name}.norm1", x)), 3, axis=-1)
    return [f.np.swapaxes(t.reshape(b, n, heads, c // heads), 1, 2) for t in parts]


def rest(f: Functional, p: Any, name: str, x: Any, y: Any) -> Any:
    """What follows attention in a block: its projection and the MLP, both added to x."""
    x = x + f.linear(p, f"{name}.out", f.np.swapaxes(y, 1, 2).reshape(x.shape))
    inner = f.nn.gelu(f.linear(p, f"{name}.up", f.layer_norm(p, f"{name}.norm2", x)), approximate=True)
    return x + f.linear(p, f"{name}.down", inner)


def block(f: Functional, p: Any, name: str, x: Any, heads: int, mask: Any) -> Any:
    q, k, v = heads_of(f, p, name, x, heads)
    return rest(f, p, name, x, attend(f, q, k, v, mask))


def patches(batch: int, side: int) -> list[tuple[Any, Any]]:
    return [(numbers((batch, 3, side, side), i), labels((batch,), 10, i)) for i in range(4)]


def vit_eager(e: Eager, batch: int, side: int, layers: int, wide: int, heads: int) -> Step:
    nn, block_of = e.torch.nn, block_class(e)
    count = (side // PATCH) ** 2

    class ViT(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, wide, PATCH, PATCH)
            self.place = nn.Parameter(e.torch.zeros(count, wide))
            self.blocks = nn.Sequential(*(block_of(wide, heads, False) for _ in range(layers)))
            self.norm, self.head = nn.LayerNorm(wide), nn.Linear(wide, 10)

        def forward(self, x: Any) -> Any:
            x = self.embed(x).flatten(2).transpose(1, 2) + self.place
            return self.head(self.norm(self.blocks(x)).mean(dim=1))

    return e.classify(ViT(), patches(batch, side), "AdamW")


def vit_functional(f: Functional, batch: int, side: int, layers: int, wide: int, heads: int) -> Step:
    n, count = side // PATCH, (side // PATCH) ** 2
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (wide, 3, PATCH, PATCH), "embed.bias": (wide,), "place": (count, wide)}
    shapes |= {"norm.weight": (wide,), "norm.bias": (wide,), "head.weight": (10, wide), "head.bias": (10,)}
    for i in range(layers):
        shapes |= block_shapes(f"blocks.{i}", wide)

    def model(p: Any, x: Any) -> Any:
        cut = x.reshape(batch, 3, n, PATCH, n, PATCH).transpose(0, 2, 4, 1, 3, 5).reshape(batch, count, -1)
        x = cut @ p["embed.weight"].reshape(wide, -1).T + p["embed.bias"] + p["place"]
        for i in range(layers):
            x = block(f, p, f"blocks.{i}", x, heads, None)
        return f.linear(p, "head", f.np.mean(f.layer_norm(p, "norm", x), axis=1))

    return f.classify(model, f.filled(shapes), patches(batch, side), "adamw")


def tokens(batch: int, n: int, vocabulary: int) -> list[tuple[Any, Any]]:
    texts = [labels((batch, n + 1), vocabulary, i) for i in range(4)]
    return [(t[:, :-1], t[:, 1:]) for t in texts]


def gpt_module(e: Eager, n: int, layers: int, wide: int, heads: int, vocabulary: int) -> Any:
    nn, block_of = e.torch.nn, block_class(e)

    class GPT(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(vocabulary, wide), nn.Embedding(n, wide)
            self.blocks = nn.ModuleList([block_of(wide, heads, True) for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(wide), nn.Linear(wide, vocabulary)

        def forward(self, ids: Any, places: Any, cache: Any = None) -> Any:
            x = self.token(ids) + self.place(places)
            for b in self.blocks:
                x = b(x, cache)
            return self.head(self.norm(x))

    return GPT()


def gpt_shapes(n: int, layers: int, wide: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"token.weight": (vocabulary, wide), "place.weight": (n, wide), "head.bias": (vocabulary,)}
    found |= {"norm.weight": (wide,), "norm.bias": (wide,), "head.weight": (vocabulary, wide)}
    for i in range(layers):
        found |= block_shapes(f"blocks.{i}", wide)
    return found


def gpt_eager(e: Eager, batch: int, n: int, layers: int, wide: int, heads: int, vocabulary: int) -> Step:
    places, criterion = e.torch.arange(n), e.torch.nn.functional.cross_entropy

    def loss_of(run: Any, x: Any, y: Any) -> Any:
        return criterion(run(x, places).reshape(-1, vocabulary), y.reshape(-1))

    return e.train(gpt_module(e, n, layers, wide, heads, vocabulary), loss_of, tokens(batch, n, vocabulary), "AdamW")


def gpt_functional(f: Functional, batch: int, n: int, layers: int, wide: int, heads: int, vocabulary: int) -> Step:
    def model(p: Any, ids: Any) -> Any:
        mask = f.np.tril(f.np.ones((n, n), dtype=bool))
        x = f.np.take(p["token.weight"], ids, axis=0) + p["place.weight"]
        for i in range(layers):
            x = block(f, p, f"blocks.{i}", x, heads, mask)
        return f.linear(p, "head", f.layer_norm(p, "norm", x))

    return f.classify(model, f.filled(gpt_shapes(n, layers, wide, vocabulary)), tokens(batch, n, vocabulary), "adamw")


def sized(layers: int) -> dict[str, int]:
    return {"batch": 8, "n": 128, "layers": layers, "wide": 256, "heads": 4, "vocabulary": 1000}


QUICK = {"batch": 2, "n": 16, "wide": 64}
VIT = {"batch": 32, "side": 32, "layers": 12, "wide": 192, "heads": 3}
ROWS = [
    Row("vit", VIT, {"batch": 2, "layers": 3, "side": 16}, 3, 5, vit_eager, vit_functional),
    Row("gpt4", sized(4), QUICK, 10, 5, gpt_eager, gpt_functional),
    Row("gpt12", sized(12), QUICK, 4, 5, gpt_eager, gpt_functional),
    Row("compile-gpt12", sized(12), {**QUICK, "layers": 4}, 1, 1, gpt_eager, gpt_functional, timed="first"),
]
