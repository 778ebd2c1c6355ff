"""What surrounds a model: optimisers alone, a loop bound by its DataLoader, imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.faces import Eager, Functional, labels, numbers
from benchmarks.rows.row import Row, Step


def leaves(size: int, tensors: int) -> list[tuple[Any, Any]]:
    """Parameters and their gradients."""
    shape = (size // tensors,)
    return [(numbers(shape, i), numbers(shape, i + 1000)) for i in range(tensors)]


def optimiser_eager(kind: str) -> Callable[..., Step]:
    def eager(e: Eager, size: int, tensors: int) -> Step:
        parameters = []
        for p, g in leaves(size, tensors):
            parameters.append(e.torch.nn.Parameter(e.tensor(p)))
            parameters[-1].grad = e.tensor(g)
        optimiser = e.optimiser(parameters, kind)
        run = e.compile(optimiser.step)

        def step(_: int) -> Any:
            run()
            return parameters

        return step

    return eager


def optimiser_functional(kind: str) -> Callable[..., Step]:
    def functional(f: Functional, size: int, tensors: int) -> Step:
        pairs = leaves(size, tensors)
        grads = [f.np.asarray(g) for _, g in pairs]
        optimiser = f.optimiser(kind.lower())
        held = [[f.np.asarray(p) for p, _ in pairs]]
        held.append(optimiser.init(held[0]))

        def update(p: Any, state: Any, grads: Any) -> Any:
            changes, state = optimiser.update(grads, state, p)
            return f.optim.apply_updates(p, changes), state

        run = f.lib.jit(update, donate_argnums=(0, 1))

        def step(_: int) -> Any:
            held[:] = run(*held, grads)
            return held[0]

        return step

    return functional


def deep_eager(e: Eager, layers: int) -> Step:
    """A gradient through so many small layers: its time is that of recording and compiling."""
    torch, w, x = e.torch, e.tensor(numbers((8, 8))).requires_grad_(), e.tensor(numbers((4, 8), 1))

    def loss(w: Any, x: Any) -> Any:
        for k in range(layers):
            x = x + torch.tanh(x @ w * (1.0 + k / layers)) / layers
        return (x * x).mean()

    run = e.compile(loss)

    def step(_: int) -> Any:
        w.grad = None
        run(w, x).backward()
        return w.grad

    return step


def deep_functional(f: Functional, layers: int) -> Step:
    """As deep_eager: tracing and compiling, some 16 nodes a layer."""
    w, x = f.np.asarray(numbers((8, 8))), f.np.asarray(numbers((4, 8), 1))

    def loss(w: Any, x: Any) -> Any:
        for k in range(layers):
            x = x + f.np.tanh(x @ w * (1.0 + k / layers)) / layers
        return f.np.mean(x * x)

    run = f.lib.jit(f.lib.grad(loss))
    return lambda _: run(w, x)


def loader_eager(e: Eager, batch: int, examples: int, wide: int, workers: int) -> Step:
    """A Dataset in Python, collated; the model is small. A step is an epoch, its result the sum of losses."""
    torch, nn, data = e.torch, e.torch.nn, e.torch.utils.data
    xs, ys = numbers((examples, wide)), labels((examples,), 10)

    class Rows(data.Dataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return examples

        def __getitem__(self, i: int) -> Any:
            return torch.from_numpy(xs[i]) * 2.0 - 1.0, int(ys[i])

    loader = data.DataLoader(Rows(), batch_size=batch, num_workers=workers)
    model = e.filled(nn.Linear(wide, 10))
    run, optimiser, criterion = e.compile(model), e.optimiser(model.parameters()), nn.CrossEntropyLoss()

    def step(_: int) -> float:
        total = 0.0
        for x, y in loader:
            optimiser.zero_grad()
            loss = criterion(run(x), y)
            loss.backward()
            optimiser.step()
            total += loss.item()
        return total

    return step


def nothing(_: Any) -> Step:
    return lambda _: 0.0


SIZES = {"1k": (1000, 4), "1m": (1_000_000, 10), "25m": (25_000_000, 50)}
ROWS = [
    *(
        Row(f"{kind.lower()}-{name}", {"size": size, "tensors": n}, {"size": min(size, 2_000_000)}, steps, 5,
            optimiser_eager(kind), optimiser_functional(kind))
        for kind in ("Adam", "AdamW")
        for (name, (size, n)), steps in zip(SIZES.items(), (200, 50, 5), strict=True)
    ),
    Row("loader", {"batch": 64, "examples": 2048, "wide": 784, "workers": 0}, {"examples": 256}, 3, 3, loader_eager,
        without=("jax.jit", "fgrad.jit")),
    Row("compile-deep", {"layers": 300}, {"layers": 30}, 1, 1, deep_eager, deep_functional, checks=1, timed="first",
        without=("torch", "fgrad")),
    Row("import", {}, {}, 1, 1, nothing, nothing, checks=1, timed="import", without=("torch.compile", "fgrad.compile", "fgrad.jit")),
]  # fmt: skip
