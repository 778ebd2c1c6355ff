"""nn.functional: pooling."""

from __future__ import annotations

from typing import Any

from rows.row import Of, Row

N = "nn.functional."
OTHERS = ("int64", "int32", "uint8", "bool", "complex64", "bfloat16", "float16")  # of real numbers; torch rounds after each step
LINE, IMAGE, VOLUME = (2, 3, 7), (2, 3, 7, 6), (1, 2, 5, 6, 4)
SHAPES = {1: LINE, 2: IMAGE, 3: VOLUME}


def row(name: str, operands: Any, label: str = "", **rest: Any) -> Row:
    rest = {"second": False, "distinct": True, **rest}  # torch has no second derivative of most
    return Row(N + name, operands, rest.pop("args", ()), rest.pop("options", {}), label=label, empty=False, without=OTHERS, **rest)


WINDOWS: list[tuple[str, dict[str, Any]]] = [
    ("", {}), ("stride", {"stride": 1}), ("padding", {"padding": 1, "stride": 2}), ("ceil", {"ceil_mode": True, "stride": 2}),
]  # fmt: skip


def unpooled(n: int, label: str, **options: Any) -> Row:
    def call(t: Any, x: Any) -> Any:
        f = t.nn.functional
        y, at = getattr(f, f"max_pool{n}d")(x, 2, options.get("stride"), return_indices=True)
        return getattr(f, f"max_unpool{n}d")(y * 2, at, 2, **options)

    return row(f"max_unpool{n}d", (SHAPES[n],), label, call=call)


def fractional(n: int, label: str, **options: Any) -> Row:
    shape = SHAPES[n]

    def call(t: Any, x: Any, u: Any) -> Any:
        f = getattr(t.nn.functional, f"fractional_max_pool{n}d")
        return f(x, 2, _random_samples=u.to(x.dtype).detach(), return_indices=True, **options)

    return row(f"fractional_max_pool{n}d", (shape, Of((*shape[:2], n), "float64", 0, 1)), label, call=call)


ROWS = [
    *[row(f"max_pool{n}d", (SHAPES[n],), f"{label}{'-places' if at else ''}", args=(3,), options={**o, "return_indices": at})
      for n in (1, 2, 3) for label, o in [*WINDOWS, ("dilation", {"dilation": 2, "stride": 1})] for at in (False, True)
      if not (n == 3 and o.get("dilation"))],
    *[row(f"avg_pool{n}d", (SHAPES[n],), label, args=(3,), options=o)
      for n in (1, 2, 3) for label, o in [*WINDOWS, ("exclude", {"padding": 1, "count_include_pad": False})]],
    *[row(f"avg_pool{n}d", (SHAPES[n],), "divisor", args=(2,), options={"divisor_override": 3}) for n in (2, 3)],
    *[row(f"lp_pool{n}d", (SHAPES[n],), label, args=(p, 2), options=o, low=0.1)
      for n in (1, 2, 3) for label, p, o in [("", 2, {}), ("all", 3.0, {"stride": 1, "ceil_mode": True})]],
    *[row(f"adaptive_avg_pool{n}d", (SHAPES[n],), f"{k}", args=(k,)) for n in (1, 2, 3) for k in (2, 3, 1)],
    row("adaptive_avg_pool2d", (IMAGE,), "none", args=((None, 4),)),
    *[row(f"adaptive_max_pool{n}d", (SHAPES[n],), f"{k}", args=(k, True)) for n in (1, 2, 3) for k in (2, 3, 1)],
    row("adaptive_max_pool2d", (IMAGE,), "none", args=((None, 4),)), row("adaptive_max_pool2d", (IMAGE[1:],), "single", args=((3, 4),)),
    *[unpooled(n, "") for n in (1, 2, 3)], unpooled(2, "size", output_size=(7, 6)), unpooled(1, "stride", stride=3),
    fractional(2, "size", output_size=3), fractional(3, "size", output_size=(3, 3, 2)), fractional(2, "ratio", output_ratio=(0.5, 0.6)),
    row("max_pool2d", (IMAGE[1:],), "single", args=((2, 3),)), row("avg_pool3d", (VOLUME[1:],), "single", args=(2,)),
]  # fmt: skip
