"""Images with channels last: convolutions and all that is connected with them change their order of axes together.

Values of one set of connected images (through elementwise operations, windows, pads, cuts, joins and convolutions) take
the order [N, *lengths, C] if a convolution is among them; where a set meets other operations, transposes stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fgrad.ir.apply import apply, constant, located
from fgrad.ir.graph import Graph, Value
from fgrad.ir.rewrite import with_operands
from fgrad.ir.types import TensorType
from fgrad.passes.regions import deep
from fgrad.primitives.channels_last import conv_last, conv_last_dw, conv_last_dx, to_last
from fgrad.primitives.shape import broadcast_to, reshape, transpose
from fgrad.settings import current

Axes = tuple[int, ...]
CONVOLUTIONS = {"conv": ((0,), conv_last), "conv_dx": ((0,), conv_last_dx), "conv_dw": ((0, 1), conv_last_dw)}
DTYPES = ("float32", "float64")
REDUCTIONS = frozenset(("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or"))
ALONG = frozenset(("cumsum", "cumprod", "cummax", "cummin", "concatenate"))
PER_AXIS = frozenset(("slice", "pad", "flip", "update_slice", "window_max", "window_max_pull", "window_max_push", "window_sum", "window_sum_pull"))


def order(rank: int) -> Axes:
    """The axes of an image in the order they take: channels, the second, come last."""
    return (0, *range(2, rank), 1)


def back(rank: int) -> Axes:
    """Undoes `order`."""
    return (0, rank - 1, *range(1, rank - 1))


def turn(x: Value, axes: Sequence[int]) -> Value:
    """`x` with its axes in another order; a mere new shape where only axes of length 1 pass others."""
    axes = tuple(axes)
    if axes == tuple(range(x.ndim)):
        return x
    moved = [a for a in axes if x.shape[a] != 1]
    found: Value = reshape(x, shape=tuple([x.shape[a] for a in axes])) if moved == sorted(moved) else transpose(x, axes=axes)
    return found


class Rule(NamedTuple):
    """How an operation works on images in the new order."""

    images: Axes  # operands that are images
    result: bool  # so is its result
    apply: Callable[[Value, list[Value]], Value]  # on operands in the new order


# operations ----------------------------------------------------------------------------------------------------------
def same(v: Value, xs: list[Value]) -> Value:
    """An operation that knows nothing of axes."""
    assert v.prim is not None
    return apply(v.prim, tuple(xs), v.params)


def convolution(v: Value, xs: list[Value]) -> Value:
    """A convolution; which algorithms it may use is settled here."""
    assert v.prim is not None
    params = v.named_params
    if "x_shape" in params:
        params["x_shape"] = to_last(params["x_shape"])
    found: Value = CONVOLUTIONS[v.prim.name][1](*xs, **params, winograd=current().winograd)
    return found


def repetition(v: Value, xs: list[Value]) -> Value:
    """broadcast_to: of an operand with all axes."""
    x = xs[0]
    x = turn(reshape(x, shape=(1,) * (v.ndim - x.ndim) + x.shape), order(v.ndim))
    found: Value = broadcast_to(x, shape=to_last(v.shape))
    return found


def counting(v: Value, xs: list[Value]) -> Value:
    """An iota, along the same axis."""
    assert v.prim is not None
    params = {**v.named_params, "shape": to_last(v.shape), "axis": order(v.ndim).index(v.named_params["axis"])}
    return apply(v.prim, (), tuple(params.values()))


def reduction(v: Value, xs: list[Value]) -> Value:
    """A reduction: what is left of the axes takes the old order."""
    assert v.prim is not None
    at, axes = order(v.operands[0].ndim), v.params[0]
    left = [a for a in at if a not in axes]
    y = apply(v.prim, tuple(xs), (tuple(sorted([at.index(a) for a in axes])), *v.params[1:]))
    return turn(y, [left.index(a) for a in sorted(left)])


def along(v: Value, xs: list[Value]) -> Value:
    """An operation with a parameter `axis`."""
    assert v.prim is not None
    params = {**v.named_params, "axis": order(v.ndim).index(v.named_params["axis"])}
    return apply(v.prim, tuple(xs), tuple(params.values()))


def per_axis(v: Value, xs: list[Value]) -> Value:
    """An operation whose parameters have one entry for each axis, or name axes."""
    assert v.prim is not None
    at = order(v.ndim)
    if v.prim.name == "flip":
        return apply(v.prim, tuple(xs), (tuple(sorted([at.index(a) for a in v.params[0]])),))
    return apply(v.prim, tuple(xs), tuple([tuple([p[a] for a in at]) for p in v.params]))


def new_shape(v: Value, xs: list[Value]) -> Value:
    """A reshape of the lengths alone."""
    y = reshape(xs[0], shape=to_last(v.shape))
    return turn(y, back(v.ndim))


def transposition(v: Value, xs: list[Value]) -> Value:
    """A transpose, joined with the one it meets."""
    at = order(v.ndim)
    return turn(xs[0], [at.index(a) for a in v.params[0]])


def spatial(v: Value) -> bool:
    """True for windows that hold one image and channel: the first of their maxima is the same one in any order."""
    window = v.named_params.get("window", (1, 1))
    return bool(window[0] == window[1] == 1)


def rule(v: Value) -> Rule | None:
    """The rule for a node; None if it wants its operands in the old order."""
    prim = v.prim
    if prim is None or not all(isinstance(t, TensorType) for t in (v.type, *[x.type for x in v.operands])):
        return None
    name, operands = prim.name, tuple(range(len(v.operands)))
    if name in CONVOLUTIONS:
        wanted = v.dtype.name in DTYPES and v.ndim > 2
        return Rule(CONVOLUTIONS[name][0], name != "conv_dw", convolution) if wanted else None
    found = from_images(v, name) if operands and v.operands[0].ndim > 2 else None
    return among_images(v, name, operands) if found is None and v.ndim > 2 else found


def among_images(v: Value, name: str, operands: Axes) -> Rule | None:
    """The rule of a node whose result is an image too."""
    assert v.prim is not None
    if v.prim.elementwise:
        return Rule(tuple([i for i in operands if v.operands[i].shape == v.shape]), True, same)
    if name == "broadcast_to":
        return Rule((), True, repetition)
    if name == "iota":
        return Rule((), True, counting)
    if name in ALONG:
        return Rule(operands, True, along)
    if name in PER_AXIS and spatial(v):
        return Rule(operands[:1] if name == "pad" else operands, True, per_axis)
    return None


def from_images(v: Value, name: str) -> Rule | None:
    """The rule of a node whose result has the old order."""
    x = v.operands[0]
    if name in REDUCTIONS:
        return Rule((0,), False, reduction)
    if name == "reshape" and v.ndim > 2 and v.shape[:2] == x.shape[:2]:
        return Rule((0,), False, new_shape)
    if name == "transpose":
        return Rule((0,), False, transposition)
    return None


# sets ----------------------------------------------------------------------------------------------------------------
class Sets:
    """Connected images."""

    def __init__(self) -> None:
        self.above: dict[Value, Value] = {}
        self.chosen: set[Value] = set()

    def find(self, v: Value) -> Value:
        """The one that stands for the set of `v`."""
        while (up := self.above.get(v, v)) is not v:
            self.above[v] = self.above.get(up, up)
            v = up
        return v

    def join(self, values: Sequence[Value]) -> None:
        """Makes one set of these."""
        first = self.find(values[0])
        for v in values[1:]:
            other = self.find(v)
            if other is not first:
                self.above[other] = first
                if other in self.chosen:
                    self.chosen.add(first)


class Layout:
    """The rewriting of one graph: rules say which values are connected, and how they are computed in the new order."""

    def __init__(self, graph: Graph, rule: Callable[[Value], Rule | None], there: Callable[[int], Axes], back: Callable[[int], Axes]) -> None:
        self.graph, self.there, self.back = graph, there, back
        self.order = graph.values()
        self.rules = {v: r for v in self.order if (r := rule(v)) is not None}
        self.sets = Sets()
        for v, r in self.rules.items():
            members = [*[v.operands[i] for i in r.images], *([v] if r.result else [])]
            if members:
                self.sets.join(members)
        self.new: dict[Value, Value] = {}
        self.turned: dict[Value, Value] = {}  # values in the order that they are not computed in

    def choose(self, wanted: Callable[[Value], bool]) -> None:
        """Chooses the sets that have something to do with the `wanted` nodes."""
        for v, r in self.rules.items():
            if wanted(v) and (r.result or r.images):
                self.sets.chosen.add(self.sets.find(v if r.result else v.operands[r.images[0]]))

    def moves(self, v: Value) -> bool:
        """True if `v` is computed in the new order."""
        r = self.rules.get(v)
        return r is not None and r.result and self.sets.find(v) in self.sets.chosen

    def read(self, v: Value, last: bool) -> Value:
        """`v` in the new or the old order."""
        x = self.new.get(v, v)
        if self.moves(v) == last:
            return x
        found = self.turned.get(v)
        if found is None:
            axes = self.there(v.ndim) if last else self.back(v.ndim)
            if v.const is not None:
                found = constant(np.ascontiguousarray(v.const.transpose(axes)), device=v.device)
            else:
                found = turn(x, axes)
            self.turned[v] = found
        return found

    def run(self) -> Graph:
        """The graph in the new order; itself if nothing is chosen."""
        if not self.sets.chosen:
            return self.graph
        for v in self.order:
            r = self.rules.get(v)
            images = [] if r is None else [v.operands[i] for i in r.images]
            with located(v.where):
                if r is not None and any(self.sets.find(x) in self.sets.chosen for x in ([v] if r.result else images)):
                    xs = [self.read(x, i in r.images) for i, x in enumerate(v.operands)]
                    self.new[v] = r.apply(v, xs)
                else:
                    self.new[v] = with_operands(v, tuple([self.read(x, False) for x in v.operands]))
        return Graph(self.graph.inputs, tuple([self.read(v, False) for v in self.graph.outputs]))


@deep
def channels_last(graph: Graph) -> Graph:
    """Convolutions of float32 and float64, and the images around them, with channels last."""
    layout = Layout(graph, rule, order, back)
    layout.choose(lambda v: v.prim is not None and v.prim.name in CONVOLUTIONS)
    return layout.run()
