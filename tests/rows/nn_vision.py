"""nn.functional: resizing, sampling at places, bags of embeddings."""

from __future__ import annotations

from typing import Any

from rows.row import Of, Row

N = "nn.functional."
WHOLE = ("int64", "int32", "uint8", "bool", "complex64")  # made for real numbers
HALVES = ("bfloat16", "float16")  # torch computes places in half precision
SHAPES = {1: (2, 3, 5), 2: (2, 3, 5, 4), 3: (1, 2, 3, 5, 4)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def row(name: str, operands: Any, label: str = "", **rest: Any) -> Row:
    rest = {"without": (*WHOLE, *HALVES), **rest}
    return Row(N + name, operands, rest.pop("args", ()), rest.pop("options", {}), label=label, empty=False, **rest)


def resized(n: int, label: str, **options: Any) -> Row:
    return row("interpolate", (SHAPES[n],), f"{label}-{n}d", options=options, tol=5)


RESIZING = [
    *[resized(n, f"{mode}-{size}", size=size, mode=mode) for n in (1, 2, 3) for mode in ("nearest", "nearest-exact", "area", LINEAR[n]) for size in (3, 8)],
    *[resized(n, f"{mode}-x{factor}", scale_factor=factor, mode=mode) for n in (1, 2, 3) for mode in ("nearest", "nearest-exact", LINEAR[n])
      for factor in (2, 0.6, 1.7)],
    *[resized(n, f"{mode}-align-{size}", size=size, mode=mode, align_corners=True) for n, mode in [(1, "linear"), (2, "bilinear"), (2, "bicubic"), (
        3, "trilinear")] for size in (1, 3, 8)],
    *[resized(2, f"bicubic-{size}", size=size, mode="bicubic") for size in ((3, 7), (8, 2), (5, 4))],
    *[resized(2, f"{mode}-antialias-{size}", size=size, mode=mode, antialias=True) for mode in ("bilinear", "bicubic", "lanczos") for size in ((3, 2), (8, 7))],
    resized(2, "bicubic-antialias-x", scale_factor=0.6, mode="bicubic", antialias=True),
    resized(2, "bilinear-antialias-align", size=(3, 2), mode="bilinear", antialias=True, align_corners=True),
    resized(2, "recompute", scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
    resized(2, "area-x", scale_factor=0.6, mode="area"), resized(2, "pair", scale_factor=(2.0, 0.5), mode="bilinear"),
    resized(2, "pair-size", size=(7, 3), mode="nearest"),
    row("upsample", (SHAPES[2],), args=(3,)), row("upsample_nearest", (SHAPES[2],), args=(3,)), row("upsample_bilinear", (SHAPES[2],), args=(3,), tol=5),
]  # fmt: skip

GRIDS = {2: (2, 4, 3, 2), 3: (1, 2, 4, 3, 3)}
SAMPLING = [
    *[row("grid_sample", (SHAPES[n], Of(GRIDS[n], "float64", -1.6, 1.6)), f"{mode}-{padding}-{align}-{n}d", second=False, tol=5,
          call=lambda t, x, g, mode=mode, padding=padding, align=align: t.nn.functional.grid_sample(
              x, (g.detach() if mode == "nearest" else g).to(x.dtype), mode, padding, align))
      for n in (2, 3) for mode in ("bilinear", "nearest", "bicubic") for padding in ("zeros", "border", "reflection") for align in (False, True)
      if not (n == 3 and mode == "bicubic")],
    *[row("affine_grid", ((2, 2, 3),), f"2d-{align}", args=((2, 3, 4, 5), align)) for align in (False, True)],
    *[row("affine_grid", ((1, 3, 4),), f"3d-{align}", args=((1, 2, 3, 4, 2), align)) for align in (False, True)],
    row("affine_grid", ((2, 2, 3),), "one", args=((2, 3, 1, 5), True)),
]  # fmt: skip


def bag(label: str, index: Any, offsets: Any = None, weights: bool = False, **options: Any) -> Row:
    def call(t: Any, w: Any, i: Any, *scale: Any) -> Any:
        starts = None if offsets is None else t.tensor(offsets)
        return t.nn.functional.embedding_bag(i, w, starts, per_sample_weights=scale[0] if scale else None, **options)

    return row("embedding_bag", ((6, 3), index, *([index.shape] if weights else [])), label, call=call, second=False)


ROWS_2D, FLAT = Of((4, 3), high=6), Of((9,), high=6)
BAGS = [
    *[bag(f"rows-{m}", ROWS_2D, mode=m) for m in ("sum", "mean", "max")],
    *[bag(f"offsets-{m}", FLAT, [0, 2, 2, 7], mode=m) for m in ("sum", "mean", "max")],
    *[bag(f"padding-{m}", FLAT, [0, 2, 2, 7], mode=m, padding_idx=2) for m in ("sum", "mean", "max")],
    bag("last", FLAT, [0, 2, 7, 9], mode="sum", include_last_offset=True), bag("weights", ROWS_2D, weights=True, mode="sum"),
    bag("weights-offsets", FLAT, [0, 4], weights=True, mode="sum"),
    bag("frequency", ROWS_2D, mode="sum", scale_grad_by_freq=True)._replace(grad=False),  # torch 2.13 divides by another row's count
]  # fmt: skip

ROWS = [*RESIZING, *SAMPLING, *BAGS]
