"""Every file of examples/ runs, and computes what the same lines compute with JAX, optax or PyTorch in fgrad's place."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import tree

FOLDER = Path(__file__).resolve().parent.parent / "examples"
NAMES = sorted(p.stem for p in FOLDER.glob("*.py"))
FOR_JAX = (
    ("import fgrad.numpy as jnp", "import jax.numpy as jnp"),
    ("import fgrad\n", "from twins import fgrad\n"),
    ("from fgrad import", "from twins import"),
)
FOR_TORCH = (
    ("import fgrad as torch", "import torch"),
    ("from fgrad import nn", "from torch import nn"),
    ("from fgrad.utils.data import", "from torch.utils.data import"),
)


def load(name: str, replaced: tuple[tuple[str, str], ...] = ()) -> Any:
    """The example as a module, some of its import lines replaced."""
    text = (FOLDER / f"{name}.py").read_text()
    for old, new in replaced:
        text = text.replace(old, new)
    module = types.ModuleType(f"example_{name}_{len(replaced)}")
    sys.modules[module.__name__] = module  # workers find the classes of a dataset by it
    exec(compile(text, str(FOLDER / f"{name}.py"), "exec"), module.__dict__)  # the repository's own file
    return module


def same(ours: Any, theirs: Any, rtol: float = 1e-4, atol: float = 1e-6) -> None:
    a, b = tree.leaves(ours), tree.leaves(theirs)
    assert len(a) == len(b) > 0
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=atol)


def as_jax(values: Any) -> Any:
    jax = pytest.importorskip("jax")
    return tree.map(lambda x: jax.numpy.asarray(np.asarray(x)), values)


@pytest.fixture
def jaxed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Loads an example on JAX and optax. Random numbers and initial weights are fgrad's; nothing else is."""
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")

    class Random:
        def __getattr__(self, name: str) -> Any:
            draw = getattr(fgrad.random, name)
            if name in ("key", "split", "fold_in"):
                return draw
            return lambda *args: as_jax(draw(*args))

    class Serial:
        """fgrad.nn.serial's parameters under plain jnp."""

        def __init__(self, *layers: Any) -> None:
            self.layers = layers
            own = [fgrad.nn.linear(*f) if isinstance(f, tuple) else jnp.tanh for f in layers]
            self.init = lambda key: (as_jax(fgrad.nn.serial(*own).init(key)[0]), None)

        def __call__(self, params: Any, x: Any) -> Any:
            for f, p in zip(self.layers, params, strict=True):
                x = x @ p["weight"].T + p["bias"] if isinstance(f, tuple) else f(x)
            return x

    face = types.SimpleNamespace(random=Random())
    for name in ("jit", "grad", "value_and_grad", "vmap", "jvp", "tree"):
        setattr(face, name, getattr(jax, name))
    twins = types.ModuleType("twins")
    twins.__dict__.update(
        fgrad=face, lax=jax.lax, optim=optax, nn=types.SimpleNamespace(serial=Serial, linear=lambda a, b: (a, b))
    )
    monkeypatch.setitem(sys.modules, "twins", twins)
    return lambda name: load(name, FOR_JAX)


@pytest.mark.parametrize("name", NAMES)
def test_every_example_says_what_it_shows_and_is_in_the_table(name: str) -> None:
    module = load(name)
    assert module.__doc__
    assert callable(module.main)
    assert f"`{name}.py`" in (FOLDER / "README.md").read_text()


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "steps"), [("logistic_regression", 50), ("mlp", 60), ("rnn_scan", 12), ("neural_ode", 12)])
def test_losses_are_those_of_jax_and_optax(name: str, steps: int, jaxed: Callable[[str], Any]) -> None:
    ours, theirs = load(name).main(steps), jaxed(name).main(steps)
    if name == "logistic_regression":
        assert ours[1] == pytest.approx(theirs[1])
        ours, theirs = ours[0], theirs[0]
    assert len(ours) == steps
    assert ours[-1] < ours[0]
    np.testing.assert_allclose(ours, theirs, rtol=5e-4)


@pytest.mark.oracle
def test_gradient_through_time_is_that_of_jax(jaxed: Callable[[str], Any]) -> None:
    import jax

    module, twin = load("rnn_scan"), jaxed("rnn_scan")
    params, data = module.init(fgrad.random.key(3)), module.batch(fgrad.random.key(4), n=8, time=20)
    found = fgrad.value_and_grad(module.loss)(params, *data)
    same(found, jax.value_and_grad(twin.loss)(as_jax(params), *as_jax(data)))


@pytest.mark.oracle
def test_gradient_through_the_solver_is_that_of_jax(jaxed: Callable[[str], Any]) -> None:
    import jax

    module, twin = load("neural_ode"), jaxed("neural_ode")
    params, y0 = module.init(fgrad.random.key(0)), fgrad.random.normal(fgrad.random.key(1), (4, 2))
    target = module.solve(module.truth, y0)
    same(target, twin.solve(twin.truth, as_jax(y0)))
    found = fgrad.value_and_grad(module.loss)(params, y0, target)
    same(found, jax.value_and_grad(twin.loss)(as_jax(params), as_jax(y0), as_jax(target)))


@pytest.mark.oracle
def test_per_example_gradients_are_those_of_jax(jaxed: Callable[[str], Any]) -> None:
    rows, mean = load("per_example_gradients").main()
    assert {k: tuple(v.shape) for k, v in rows.items()} == {"a": (16, 4, 8), "b": (16, 8)}
    same((rows, mean), jaxed("per_example_gradients").main(), rtol=1e-4, atol=1e-5)


@pytest.mark.oracle
def test_hessian_vector_products_are_those_of_jax(jaxed: Callable[[str], Any]) -> None:
    module, twin = load("hessian_vector_products"), jaxed("hessian_vector_products")
    x, v = fgrad.random.normal(fgrad.random.key(0), (7,)), fgrad.random.normal(fgrad.random.key(1), (7,))
    same(module.hvp(module.f, x, v), twin.hvp(twin.f, as_jax(x), as_jax(v)), atol=1e-5)
    same(fgrad.hessian(module.f)(x) @ v, module.hvp(module.f, x, v), atol=1e-5)
    same(module.newton(x), twin.newton(as_jax(x)), atol=1e-5)


def test_newton_converges_quadratically() -> None:
    norms = load("hessian_vector_products").main()
    assert norms[0] > 10
    assert norms[-1] < 1e-6
    assert norms[3] < norms[2] ** 2


@pytest.mark.slow
def test_tutorial_learns_with_workers() -> None:
    losses, accuracy, f1, same_prediction = load("tutorial").main(epochs=5, workers=2)
    assert losses[-1] < losses[0] / 4
    assert accuracy > 0.93
    assert f1 > 0.93
    assert same_prediction


@pytest.mark.oracle
def test_tutorial_runs_unchanged_with_torch() -> None:
    torch = pytest.importorskip("torch")
    module, twin = load("tutorial"), load("tutorial", FOR_TORCH)
    torch.manual_seed(0)
    theirs, ours = twin.Net(), module.Net()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})

    def first_losses(example: Any, model: Any, t: Any) -> tuple[list[float], Any]:
        model.drop.p = 0.0
        rows = example.Digits(transform=example.to_tensor)
        data = t.utils.data.Subset(rows, range(20 * 64))
        loader = t.utils.data.DataLoader(data, batch_size=64)
        optimizer = t.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
        criterion, seen = t.nn.CrossEntropyLoss(), []

        def kept(logits: Any, labels: Any) -> Any:
            seen.append(criterion(logits, labels))
            return seen[-1]

        mean = example.train(model, loader, kept, optimizer, t.device("cpu"))
        losses = [loss.item() for loss in seen]
        assert mean == pytest.approx(np.mean(losses), rel=1e-5)
        held_out = t.utils.data.DataLoader(t.utils.data.Subset(rows, range(1280, 1797)), batch_size=128)
        return losses, example.evaluate(model, held_out, t.device("cpu"))

    found, expected = first_losses(module, ours, fgrad), first_losses(twin, theirs, torch)
    assert len(found[0]) == 20
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4)
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-2)
