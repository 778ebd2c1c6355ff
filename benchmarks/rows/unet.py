"""A small U-Net: three scales, double convolutions, transposed convolutions upwards, mean squared error."""

from __future__ import annotations

from typing import Any

from benchmarks.faces import Eager, Functional, numbers
from benchmarks.rows.row import Row, Step


def batches(batch: int, side: int) -> list[tuple[Any, Any]]:
    return [(numbers((batch, 3, side, side), i), numbers((batch, 1, side, side), i + 9)) for i in range(4)]


def eager(e: Eager, batch: int, side: int, width: int) -> Step:
    torch, nn, w = e.torch, e.torch.nn, width

    def double(c: int, k: int) -> Any:
        return nn.Sequential(nn.Conv2d(c, k, 3, padding=1), nn.ReLU(), nn.Conv2d(k, k, 3, padding=1), nn.ReLU())

    class UNet(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.down1, self.down2, self.deep = double(3, w), double(w, 2 * w), double(2 * w, 4 * w)
            self.raise2, self.up2 = nn.ConvTranspose2d(4 * w, 2 * w, 2, 2), double(4 * w, 2 * w)
            self.raise1, self.up1 = nn.ConvTranspose2d(2 * w, w, 2, 2), double(2 * w, w)
            self.pool, self.head = nn.MaxPool2d(2), nn.Conv2d(w, 1, 1)

        def forward(self, x: Any) -> Any:
            a = self.down1(x)
            b = self.down2(self.pool(a))
            y = self.deep(self.pool(b))
            y = self.up2(torch.cat([b, self.raise2(y)], dim=1))
            return self.head(self.up1(torch.cat([a, self.raise1(y)], dim=1)))

    return e.train(UNet(), lambda run, x, y: nn.functional.mse_loss(run(x), y), batches(batch, side))


def shapes(w: int) -> dict[str, tuple[int, ...]]:
    doubles = {"down1": (3, w), "down2": (w, 2 * w), "deep": (2 * w, 4 * w), "up2": (4 * w, 2 * w), "up1": (2 * w, w)}
    found: dict[str, tuple[int, ...]] = {"head.weight": (1, w, 1, 1), "head.bias": (1,)}
    for name, (c, k) in doubles.items():
        found |= {f"{name}.0.weight": (k, c, 3, 3), f"{name}.0.bias": (k,), f"{name}.2.weight": (k, k, 3, 3), f"{name}.2.bias": (k,)}
    for name, k in (("raise2", 2 * w), ("raise1", w)):
        found |= {f"{name}.weight": (2 * k, k, 2, 2), f"{name}.bias": (k,)}
    return found


def functional(f: Functional, batch: int, side: int, width: int) -> Step:
    def conv(p: Any, name: str, x: Any, padding: int = 1) -> Any:
        return f.conv(x, p[f"{name}.weight"], padding=padding) + p[f"{name}.bias"][:, None, None]

    def double(p: Any, name: str, x: Any) -> Any:
        return f.nn.relu(conv(p, f"{name}.2", f.nn.relu(conv(p, f"{name}.0", x))))

    def twice(p: Any, name: str, x: Any) -> Any:  # kernel 2, stride 2: windows do not overlap
        n, _, h, w = x.shape
        y = f.np.einsum("nchw,ckij->nkhiwj", x, p[f"{name}.weight"])
        return y.reshape(n, -1, 2 * h, 2 * w) + p[f"{name}.bias"][:, None, None]

    def loss(p: Any, state: Any, x: Any, y: Any) -> Any:
        a = double(p, "down1", x)
        b = double(p, "down2", f.max_pool(a))
        z = twice(p, "raise2", double(p, "deep", f.max_pool(b)))
        z = twice(p, "raise1", double(p, "up2", f.np.concatenate([b, z], axis=1)))
        z = conv(p, "head", double(p, "up1", f.np.concatenate([a, z], axis=1)), 0)
        return f.np.mean((z - y) ** 2), state

    return f.train(loss, f.filled(shapes(width)), batches(batch, side))


ROWS = [Row("unet", {"batch": 8, "side": 64, "width": 16}, {"batch": 2, "side": 16, "width": 8}, 10, 5, eager, functional)]
