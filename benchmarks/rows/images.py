"""Convolutional networks on 32x32 images (LeNet: 28x28): LeNet, ResNets with batch norm and SGD; ResNet-20 at inference.

Adam would turn the rounding of gradients that are nearly nothing behind a batch norm into whole steps: results could not be compared.
"""

from __future__ import annotations

from typing import Any

from benchmarks.faces import Eager, Functional, labels, numbers
from benchmarks.rows.row import Row, Step

Weights = dict[str, Any]
RESNETS = {8: ((16, 32, 64), 1), 20: ((16, 32, 64), 3), 18: ((64, 128, 256, 512), 2)}  # widths of the stages, blocks in each


def batches(batch: int, channels: int, side: int, classes: int, n: int = 4) -> list[tuple[Any, Any]]:
    return [(numbers((batch, channels, side, side), i), labels((batch,), classes, i)) for i in range(n)]


def lenet_eager(e: Eager, batch: int) -> Step:
    nn = e.torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    return e.classify(model, batches(batch, 1, 28, 10))


def lenet_functional(f: Functional, batch: int) -> Step:
    shapes: dict[str, tuple[int, ...]] = {"0": (6, 1, 5, 5), "3": (16, 6, 5, 5), "7": (120, 400), "9": (84, 120), "11": (10, 84)}
    weights = f.filled({f"{k}.weight": s for k, s in shapes.items()} | {f"{k}.bias": s[:1] for k, s in shapes.items()})

    def layer(p: Any, name: str, x: Any, padding: int) -> Any:
        y = f.conv(x, p[f"{name}.weight"], padding=padding) + p[f"{name}.bias"][:, None, None]
        return f.max_pool(f.nn.relu(y))

    def model(p: Any, x: Any) -> Any:
        x = layer(p, "3", layer(p, "0", x, 2), 0).reshape(batch, 400)
        return f.linear(p, "11", f.nn.relu(f.linear(p, "9", f.nn.relu(f.linear(p, "7", x)))))

    return f.classify(model, weights, batches(batch, 1, 28, 10))


def resnet_module(e: Eager, depth: int) -> Any:
    """ResNet with a 3x3 stem; a shortcut that changes shape is a 1x1 convolution."""
    nn = e.torch.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, c: int, k: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
            self.conv2, self.bn2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
            self.relu, self.short = nn.ReLU(), nn.Identity()
            if stride > 1 or c != k:
                self.short = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.short(x))

    widths, blocks = RESNETS[depth]
    layers, c = [nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()], widths[0]
    for stage, k in enumerate(widths):
        for b in range(blocks):
            layers.append(Block(c, k, 2 if stage and b == 0 else 1))
            c = k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


def resnet_plan(depth: int) -> list[tuple[str, int, int, int]]:
    """(name, channels in, channels out, stride) of each block, named as in resnet_module."""
    widths, blocks = RESNETS[depth]
    plan: list[tuple[str, int, int, int]] = []
    c = widths[0]
    for stage, k in enumerate(widths):
        for b in range(blocks):
            plan.append((str(3 + len(plan)), c, k, 2 if stage and b == 0 else 1))
            c = k
    return plan


def resnet_shapes(depth: int) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Weights, and the running statistics."""
    plan, k0 = resnet_plan(depth), RESNETS[depth][0][0]
    convs: dict[str, tuple[int, ...]] = {"0": (k0, 3, 3, 3)}
    norms = {"1": k0}
    for name, c, k, stride in plan:
        convs |= {f"{name}.conv1": (k, c, 3, 3), f"{name}.conv2": (k, k, 3, 3)}
        norms |= {f"{name}.bn1": k, f"{name}.bn2": k}
        if stride > 1 or c != k:
            convs[f"{name}.short.0"], norms[f"{name}.short.1"] = (k, c, 1, 1), k
    head = str(3 + len(plan) + 2)
    weights: dict[str, tuple[int, ...]] = {f"{n}.weight": s for n, s in convs.items()}
    weights |= {f"{n}.{part}": (k,) for n, k in norms.items() for part in ("weight", "bias")}
    weights |= {f"{head}.weight": (10, plan[-1][2]), f"{head}.bias": (10,)}
    return weights, {f"{n}.running_{part}": (k,) for n, k in norms.items() for part in ("mean", "var")}


def batch_norm(f: Functional, p: Weights, state: Weights, new: Weights | None, name: str, x: Any) -> Any:
    """PyTorch's BatchNorm2d; with `new` in training, which puts the running statistics there."""
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    if new is not None:
        n = x.shape[0] * x.shape[2] * x.shape[3]
        m = f.np.mean(x, axis=(0, 2, 3))
        v = f.np.mean((x - m[:, None, None]) ** 2, axis=(0, 2, 3))
        new[f"{name}.running_mean"] = 0.9 * mean + 0.1 * f.lax.stop_gradient(m)
        new[f"{name}.running_var"] = 0.9 * variance + 0.1 * n / (n - 1) * f.lax.stop_gradient(v)
        mean, variance = m, v
    scale = p[f"{name}.weight"] * f.lax.rsqrt(variance + 1e-5)
    return (x - mean[:, None, None]) * scale[:, None, None] + p[f"{name}.bias"][:, None, None]


def resnet(f: Functional, depth: int, p: Weights, state: Weights, new: Weights | None, x: Any) -> Any:
    """The network of resnet_module."""
    relu, plan = f.nn.relu, resnet_plan(depth)

    def norm(name: str, y: Any) -> Any:
        return batch_norm(f, p, state, new, name, y)

    x = relu(norm("1", f.conv(x, p["0.weight"], padding=1)))
    for name, c, k, stride in plan:
        y = relu(norm(f"{name}.bn1", f.conv(x, p[f"{name}.conv1.weight"], stride, 1)))
        y = norm(f"{name}.bn2", f.conv(y, p[f"{name}.conv2.weight"], 1, 1))
        if stride > 1 or c != k:
            x = norm(f"{name}.short.1", f.conv(x, p[f"{name}.short.0.weight"], stride))
        x = relu(y + x)
    return f.linear(p, str(3 + len(plan) + 2), f.np.mean(x, axis=(2, 3)))


def resnet_eager(e: Eager, depth: int, batch: int, side: int) -> Step:
    return e.classify(resnet_module(e, depth), batches(batch, 3, side, 10), "SGD")


def resnet_functional(f: Functional, depth: int, batch: int, side: int) -> Step:
    weights, running = (f.filled(s) for s in resnet_shapes(depth))

    def loss(p: Weights, state: Weights, x: Any, y: Any) -> Any:
        new: Weights = {}
        z = resnet(f, depth, p, state, new, x)
        return f.cross_entropy(z, y), new

    return f.train(loss, weights, batches(batch, 3, side, 10), "sgd", running)


def infer_eager(e: Eager, depth: int, batch: int, side: int) -> Step:
    run = e.compile(e.filled(resnet_module(e, depth)).eval())
    data = [e.tensor(x) for x, _ in batches(batch, 3, side, 10)]

    def step(i: int) -> Any:
        with e.torch.inference_mode():
            return run(data[i % len(data)])

    return step


def infer_functional(f: Functional, depth: int, batch: int, side: int) -> Step:
    weights, running = (f.filled(s) for s in resnet_shapes(depth))
    data = [f.np.asarray(x) for x, _ in batches(batch, 3, side, 10)]
    run = f.lib.jit(lambda p, state, x: resnet(f, depth, p, state, None, x))
    return lambda i: run(weights, running, data[i % len(data)])


QUICK = {"batch": 16, "side": 16}  # fewer numbers behind a batch norm, and rounding at one ReLU changes the losses
ROWS = [
    Row("lenet", {"batch": 64}, {"batch": 8}, 40, 10, lenet_eager, lenet_functional),
    *(
        Row(f"resnet{d}", {"depth": d, "batch": 32, "side": 32}, QUICK, n, 5, resnet_eager, resnet_functional)
        for d, n in ((8, 20), (18, 3), (20, 10))
    ),
    *(
        Row(f"infer-resnet20-b{b}", {"depth": 20, "batch": b, "side": 32}, {"side": 16}, 30, 5, infer_eager, infer_functional)
        for b in (1, 32)
    ),
]
