"""Single operations and chains of them: normalisations forward and backward, elementwise chains, many tiny operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.faces import Eager, Functional, numbers
from benchmarks.rows.row import Row, Step


def norm_eager(kind: str) -> Callable[..., Step]:
    """Result: the gradients of x and the scale (softmax: of x)."""

    def eager(e: Eager, rows: int, wide: int) -> Step:
        x = e.tensor(numbers((rows, wide))).requires_grad_()
        scale, ct = e.torch.ones(wide).requires_grad_(), e.tensor(numbers((rows, wide), 1))
        functional = e.torch.nn.functional
        sources: dict[str, Callable[..., Any]] = {
            "softmax": lambda x, _: functional.softmax(x, dim=-1),
            "layernorm": lambda x, scale: functional.layer_norm(x, (wide,), scale),
            "rmsnorm": lambda x, scale: functional.rms_norm(x, (wide,), scale, 1e-5),
        }
        run = e.compile(sources[kind])
        leaves = [x] if kind == "softmax" else [x, scale]

        def step(_: int) -> Any:
            for v in leaves:
                v.grad = None
            run(x, scale).backward(ct)
            return [v.grad for v in leaves]

        return step

    return eager


def norm_functional(kind: str) -> Callable[..., Step]:
    def functional(f: Functional, rows: int, wide: int) -> Step:
        x, ct = f.np.asarray(numbers((rows, wide))), f.np.asarray(numbers((rows, wide), 1))
        scale = f.np.ones((wide,), dtype="float32")

        def rmsnorm(x: Any, scale: Any) -> Any:
            return x * f.lax.rsqrt(f.np.mean(x * x, axis=-1, keepdims=True) + 1e-5) * scale

        def layernorm(x: Any, scale: Any) -> Any:
            mean = f.np.mean(x, axis=-1, keepdims=True)
            return (x - mean) * f.lax.rsqrt(f.np.mean((x - mean) ** 2, axis=-1, keepdims=True) + 1e-5) * scale

        sources: dict[str, Callable[..., Any]] = {"rmsnorm": rmsnorm, "layernorm": layernorm, "softmax": f.nn.softmax}
        operands = (x,) if kind == "softmax" else (x, scale)

        def gradients(ct: Any, *operands: Any) -> Any:
            y, pull = f.lib.vjp(sources[kind], *operands)
            return y, pull(ct)

        run = f.lib.jit(gradients)
        return lambda _: list(run(ct, *operands)[1])

    return functional


def chain_eager(e: Eager, n: int) -> Step:
    torch, x = e.torch, e.tensor(numbers((n,)))

    def chain(x: Any) -> Any:
        y = torch.tanh(x * 1.5 + 0.5) * torch.sigmoid(x)
        return torch.where(y > 0, y * y - x, torch.exp(-x) / (1 + x * x))

    run = e.compile(chain)
    return lambda _: run(x)


def chain_functional(f: Functional, n: int) -> Step:
    def chain(x: Any) -> Any:
        y = f.np.tanh(x * 1.5 + 0.5) * f.nn.sigmoid(x)
        return f.np.where(y > 0, y * y - x, f.np.exp(-x) / (1 + x * x))

    run, x = f.lib.jit(chain), f.np.asarray(numbers((n,)))
    return lambda _: run(x)


def gelu_eager(e: Eager, n: int) -> Step:
    torch, x, ct = e.torch, e.tensor(numbers((n,))).requires_grad_(), e.tensor(numbers((n,), 1))
    run = e.compile(lambda x: 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x * x * x))))

    def step(_: int) -> Any:
        x.grad = None
        run(x).backward(ct)
        return x.grad

    return step


def gelu_functional(f: Functional, n: int) -> Step:
    def gelu(x: Any) -> Any:
        return 0.5 * x * (1 + f.np.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))

    def gradient(x: Any, ct: Any) -> Any:
        y, pull = f.lib.vjp(gelu, x)
        return y, pull(ct)[0]

    run, x, ct = f.lib.jit(gradient), f.np.asarray(numbers((n,))), f.np.asarray(numbers((n,), 1))
    return lambda _: run(x, ct)[1]


def tiny(x: Any, a: Any, ops: int) -> Any:
    """That many operations, which stay bounded."""
    for _ in range(ops // 2):
        x = x * a + a
    return x


def dispatch_eager(e: Eager, n: int, ops: int) -> Step:
    x, a = e.tensor(numbers((n,))), e.tensor(numbers((n,), 1) / 2)
    run = e.compile(lambda x, a: tiny(x, a, ops))
    return lambda _: run(x, a)


def dispatch_functional(f: Functional, n: int, ops: int) -> Step:
    x, a = f.np.asarray(numbers((n,))), f.np.asarray(numbers((n,), 1) / 2)
    run = f.lib.jit(lambda x, a: tiny(x, a, ops))
    return lambda _: run(x, a)


ROWS = [
    *(
        Row(kind, {"rows": 4096, "wide": 1024}, {"rows": 256}, 20, 10, norm_eager(kind), norm_functional(kind))
        for kind in ("softmax", "layernorm", "rmsnorm")
    ),
    Row("chain-forward", {"n": 4_000_000}, {"n": 400_000}, 20, 10, chain_eager, chain_functional),
    Row("chain-gelu", {"n": 4_000_000}, {"n": 400_000}, 20, 10, gelu_eager, gelu_functional),
    Row("dispatch", {"n": 16, "ops": 200}, {}, 100, 50, dispatch_eager, dispatch_functional),
]
