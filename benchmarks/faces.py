"""What a row's source is given: a library, in PyTorch's words (Eager) or JAX's (Functional). One source serves peers and fgrad."""

from __future__ import annotations

import importlib
import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks.runners import RUNNERS

OPTIMISERS: dict[str, dict[str, float]] = {
    "adam": {"lr": 1e-3}, "adamw": {"lr": 1e-3, "weight_decay": 0.01}, "sgd": {"lr": 0.01, "momentum": 0.9},
}  # fmt: skip
BLOCK = 1 << 16


def drawn(name: str, shape: tuple[int, ...]) -> Any:
    """A starting weight, from its name alone: matrices and kernels within 1/sqrt(fan in), scales 1, running means 0."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, "int64")
    if name.endswith("running_mean"):
        return np.zeros(shape, "float32")
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return np.ones(shape, "float32")
    size = 0.1 if len(shape) == 1 else 1 / math.sqrt(math.prod(shape[1:]))
    return numbers(shape, zlib.crc32(name.encode())) * np.float32(size)


def numbers(shape: tuple[int, ...], seed: int = 0) -> Any:
    """float32 in [-1, 1)."""
    return np.random.default_rng(seed).random(shape, "float32") * np.float32(2) - np.float32(1)


def labels(shape: tuple[int, ...], high: int, seed: int = 0) -> Any:
    """int64 in [0, high)."""
    return np.random.default_rng(seed).integers(0, high, shape)


class Eager:
    """torch, or fgrad in its place."""

    def __init__(self, package: str, compiled: bool) -> None:
        self.torch = importlib.import_module(package)
        self.compiled = compiled

    def compile(self, f: Any) -> Any:
        """A module or a function as this runner runs it."""
        return self.torch.compile(f) if self.compiled else f

    def tensor(self, x: Any) -> Any:
        """An array as a tensor."""
        return self.torch.tensor(x)

    def filled(self, model: Any) -> Any:
        """The module itself, with weights that all runners share."""
        model.load_state_dict({k: self.tensor(drawn(k, tuple(v.shape))) for k, v in model.state_dict().items()})
        return model

    def optimiser(self, parameters: Iterable[Any], kind: str = "Adam") -> Any:
        """One of OPTIMISERS, fused."""
        return getattr(self.torch.optim, kind)(parameters, fused=True, **OPTIMISERS[kind.lower()])

    def wait(self, result: Any) -> None:
        """Returns when the result is there."""
        if self.torch.__name__ == "fgrad":
            self.torch.block_until_ready(result)

    def train(
        self, model: Any, loss_of: Callable[..., Any], data: list[tuple[Any, ...]], kind: str = "Adam"
    ) -> Callable[[int], float]:
        """The training loop everybody types: `loss_of(model, *batch)`, backward, step."""
        tensors = [tuple(self.tensor(x) for x in batch) for batch in data]
        optimizer = self.optimiser(self.filled(model).parameters(), kind)
        run = self.compile(model)

        def step(i: int) -> float:
            optimizer.zero_grad()
            loss = loss_of(run, *tensors[i % len(tensors)])
            loss.backward()
            optimizer.step()
            return float(loss.item())

        return step

    def classify(self, model: Any, data: list[tuple[Any, ...]], kind: str = "Adam") -> Callable[[int], float]:
        """train() with the cross-entropy of `model(x)` over the last axis."""
        criterion = self.torch.nn.CrossEntropyLoss()

        def loss_of(run: Any, x: Any, y: Any) -> Any:
            z = run(x)
            return criterion(z.reshape(-1, z.shape[-1]), y.reshape(-1))

        return self.train(model, loss_of, data, kind)


class Functional:
    """jax with optax, or fgrad in their place."""

    def __init__(self, package: str, optimisers: str) -> None:
        self.lib = importlib.import_module(package)
        self.np = importlib.import_module(f"{package}.numpy")
        self.nn = importlib.import_module(f"{package}.nn")
        self.lax = importlib.import_module(f"{package}.lax")
        self.optim = importlib.import_module(optimisers)

    def wait(self, result: Any) -> None:
        """Returns when the result is there."""
        self.lib.block_until_ready(result)

    def filled(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        """Weights by PyTorch's names: those that Eager.filled gives."""
        return {k: self.np.asarray(drawn(k, s)) for k, s in shapes.items()}

    def optimiser(self, kind: str = "adam") -> Any:
        """One of OPTIMISERS: init and update."""
        rate, *others = OPTIMISERS[kind].items()
        return getattr(self.optim, kind)(rate[1], **dict(others))

    def train(
        self, loss: Callable[..., Any], weights: Any, data: list[tuple[Any, ...]], kind: str = "adam", state: Any = None
    ) -> Callable[[int], float]:
        """One jitted step: `loss(weights, state, *batch) -> value, new state`, its gradient, the update; buffers donated."""
        arrays = [tuple(self.np.asarray(x) for x in batch) for batch in data]
        optimiser = self.optimiser(kind)
        value_and_grad = self.lib.value_and_grad(loss, has_aux=True)

        def update(p: Any, moments: Any, state: Any, *batch: Any) -> Any:
            (value, state), grads = value_and_grad(p, state, *batch)
            changes, moments = optimiser.update(grads, moments, p)
            return self.optim.apply_updates(p, changes), moments, state, value

        compiled = self.lib.jit(update, donate_argnums=(0, 1))
        held = [weights, optimiser.init(weights), {} if state is None else state]

        def step(i: int) -> float:
            p, moments, after, value = compiled(*held, *arrays[i % len(arrays)])
            held[:] = p, moments, after
            return float(value)

        return step

    def classify(
        self, model: Callable[..., Any], weights: Any, data: list[tuple[Any, ...]], kind: str = "adam"
    ) -> Callable[[int], float]:
        """train() with the cross-entropy of `model(weights, x)` over the last axis."""

        def loss(p: Any, state: Any, x: Any, y: Any) -> Any:
            return self.cross_entropy(model(p, x), y), state

        return self.train(loss, weights, data, kind)

    def cross_entropy(self, z: Any, y: Any) -> Any:
        """Mean of -log softmax(z)[y] over the last axis."""
        logp = self.nn.log_softmax(z, axis=-1)
        return -self.np.mean(self.np.take_along_axis(logp, y[..., None], axis=-1))

    def linear(self, p: Mapping[str, Any], name: str, x: Any) -> Any:
        """PyTorch's Linear: x @ weight.T + bias."""
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def layer_norm(self, p: Mapping[str, Any], name: str, x: Any) -> Any:
        """PyTorch's LayerNorm over the last axis."""
        mean = self.np.mean(x, axis=-1, keepdims=True)
        variance = self.np.mean((x - mean) ** 2, axis=-1, keepdims=True)
        return (x - mean) * self.lax.rsqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def conv(self, x: Any, kernel: Any, stride: int = 1, padding: int = 0) -> Any:
        """Two-dimensional correlation, NCHW with OIHW."""
        names = ("NCHW", "OIHW", "NCHW")
        return self.lax.conv_general_dilated(x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=names)

    def max_pool(self, x: Any, size: int = 2) -> Any:
        """Maxima of windows that do not overlap, NCHW."""
        window = (1, 1, size, size)
        return self.lax.reduce_window(x, -np.inf, self.lax.max, window, window, "VALID")


class ByHand:
    """NumPy alone: the source types every pass."""

    def wait(self, result: Any) -> None:
        """Nothing: NumPy is done when it returns."""


Face = Eager | Functional | ByHand


def face(runner: str) -> Face:
    """What the runner's source is called with."""
    packages, source = RUNNERS[runner]
    if source == "eager":
        return Eager(packages[0], compiled=runner.endswith(".compile"))
    if source == "functional":
        return Functional(packages[0], "fgrad.optim" if packages[0] == "fgrad" else packages[1])
    return ByHand()


def digest(result: Any) -> list[float]:
    """A result in a few numbers, which runners are compared by; in blocks, so that peak memory stays the row's own."""
    if isinstance(result, list | tuple):
        return [d for r in result for d in digest(r)]
    x = np.asarray(result.detach() if hasattr(result, "detach") else result).ravel()
    if x.size == 1:
        return [float(x[0])]
    square, weighted = 0.0, 0.0
    for start in range(0, x.size, BLOCK):
        part = x[start : start + BLOCK].astype("float64")
        square += float(part @ part)
        weighted += float(part @ np.cos(np.arange(start, start + part.size)))  # sees permutations
    return [float(np.sqrt(square / x.size)), float(weighted / np.sqrt(x.size))]
