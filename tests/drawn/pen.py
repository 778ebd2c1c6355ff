"""What every strategy draws from: shapes, operands in every dtype and layout, axes, numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

FLOATS = ("float32", "float64", "float16", "bfloat16")
COMPLEX = ("complex64", "complex128")
SIGNED = ("int64", "int32", "int16", "int8")
INTEGERS = (*SIGNED, "uint8")
REAL = (*FLOATS, *INTEGERS)
ALL = (*REAL, "bool", *COMPLEX)
LAYOUTS = ("plain", "plain", "transposed", "strided", "expanded")
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1e-3, 300.0, -1e4)


class Dtype(NamedTuple):
    """A dtype of whichever library runs the case."""

    name: str


class Operand(NamedTuple):
    """A tensor to build: halves are kept as float32 that they can hold."""

    values: Any
    dtype: str
    layout: str = "plain"

    def of(self, t: Any) -> Any:
        x, n = self.values, self.values.ndim
        if self.layout == "expanded" and n and x.shape[0]:
            return self.tensor(t, x[:1]).expand(x.shape)
        if self.layout == "transposed":
            return self.tensor(t, np.ascontiguousarray(x.T)).permute(tuple(reversed(range(n))))
        if self.layout == "strided" and n:
            return self.tensor(t, np.repeat(x, 2, axis=-1))[..., ::2]
        return self.tensor(t, x)

    def tensor(self, t: Any, x: Any) -> Any:
        return t.tensor(x).to(getattr(t, self.dtype))


class Case(NamedTuple):
    """A call `name(*args, **options)` whose arguments hold operands and dtypes; a name that begins with a dot is a method."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any] = {}  # noqa: RUF012
    tol: float = 1.0
    call: Callable[..., Any] | None = None  # (namespace, *args, **options) instead of the name

    def run(self, t: Any, fill: Callable[[Operand], Any]) -> Any:
        args, options = resolve(t, self.args, fill), resolve(t, self.options, fill)
        if self.call is not None:
            return self.call(t, *args, **options)
        if self.name.startswith("."):
            return getattr(args[0], self.name[1:])(*args[1:], **options)
        f = t
        for part in self.name.split("."):
            f = getattr(f, part)
        return f(*args, **options)


def resolve(t: Any, x: Any, fill: Callable[[Operand], Any]) -> Any:
    if isinstance(x, Operand):
        return fill(x)
    if isinstance(x, Dtype):
        return getattr(t, x.name)
    if isinstance(x, tuple | list):
        return type(x)(resolve(t, v, fill) for v in x)
    if isinstance(x, dict):
        return {k: resolve(t, v, fill) for k, v in x.items()}
    return x


class Pen:
    """Draws; `smooth`: only float64 numbers away from the corners of usual functions."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], smooth: bool = False) -> None:
        self.draw, self.smooth = draw, smooth

    def int(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def pick(self, among: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(list(among)))

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def often(self) -> bool:
        return self.int(0, 3) > 0

    def shape(self, low: int = 0, high: int = 4, least: int = 0) -> tuple[int, ...]:
        least = max(least, 1) if self.smooth else least
        return tuple(self.draw(st.lists(st.integers(least, 4 if high < 4 else 3), min_size=low, max_size=high)))

    def partner(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with `shape`, sometimes to more axes."""
        cut = self.int(0, len(shape))
        kept = tuple(1 if self.int(0, 3) == 0 else d for d in shape[cut:])
        return (*(() if cut or self.often() else (self.int(1, 2),)), *kept)

    def dtype(self, among: Sequence[str] = ALL) -> str:
        if self.smooth and any(d in FLOATS for d in among):
            return "float64"
        return self.pick(among)

    def draw_letters(self, low: int, high: int) -> list[str]:
        return self.draw(st.lists(st.sampled_from("abcd"), min_size=low, max_size=high))

    def axis(self, n: int) -> int:
        return self.int(-n, n - 1) if n else self.int(-1, 0)

    def axes(self, n: int, least: int = 0) -> tuple[int, ...]:
        """Different axes, each counted from either end."""
        chosen = self.draw(st.lists(st.integers(0, n - 1), unique=True, min_size=min(least, n), max_size=n)) if n else []
        return tuple(a - n if self.flag() else a for a in chosen)

    def operand(
        self, shape: tuple[int, ...], among: Sequence[str] = ALL, *, low: float = -3.0, high: float = 3.0, special: bool = True,
        distinct: bool = False, plain: bool = False,
    ) -> Operand:  # fmt: skip
        dtype = self.dtype(among)
        rng = np.random.default_rng(self.int(0, 999))
        layout = "plain" if plain else self.pick(LAYOUTS)
        if self.smooth or distinct:
            layout = "plain" if layout == "expanded" else layout
        special = special and not self.smooth and self.flag()
        x = different(rng, shape, low, high, dtype) if self.smooth or distinct else plenty(rng, shape, low, high, dtype, special)
        if layout == "expanded" and shape and shape[0]:
            x = np.broadcast_to(x[:1], shape).copy()
        return Operand(x, dtype, layout)


def plenty(rng: Any, shape: tuple[int, ...], low: float, high: float, dtype: str, special: bool) -> Any:
    """Numbers with repetitions: eighths, integers, and the special ones of the dtype."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype in INTEGERS:
        ends = np.iinfo(dtype)
        first = max(int(np.ceil(low)), ends.min)
        pool = list(range(first, max(int(np.floor(high)), first) + 1))
        pool += [ends.min, ends.max, ends.min + 1] if special else []
        return rng.choice(np.array(pool, dtype), shape)
    pool = [v / 8 for v in range(int(np.ceil(low * 8)), int(np.floor(high * 8)) + 1)]
    if dtype in COMPLEX:  # infinite complex numbers have no agreed arithmetic
        x = rng.choice(pool, shape) + 1j * rng.choice(pool, shape)
        return x.astype(dtype)
    return rng.choice([*pool, *SPECIAL * 4] if special else pool, shape).astype(dtype if dtype == "float64" else "float32")


def different(rng: Any, shape: tuple[int, ...], low: float, high: float, dtype: str) -> Any:
    n = int(np.prod(shape))
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype in INTEGERS:
        first = max(int(np.ceil(low)), np.iinfo(dtype).min)
        return (first + rng.permutation(n)).astype(dtype).reshape(shape)
    x = (low + (high - low) * (rng.permutation(n) + rng.uniform(0.3, 0.7, n)) / max(n, 1)).reshape(shape)
    if dtype in COMPLEX:
        x = x + 1j * rng.permutation(x.reshape(-1)).reshape(shape)
    if dtype == "bfloat16":
        x = np.round(x * 16) / 16
    return np.asarray(x).astype("float32" if dtype in ("float16", "bfloat16") else dtype)
