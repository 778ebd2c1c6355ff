"""Recurrent networks on Values: one step of each kind, and layers of them as scans, so that programs do not grow with length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fgrad.ir.graph import Value
from fgrad.primitives import composites as c
from fgrad.primitives.linear import dot_general
from fgrad.primitives.regions.build import scan_values
from fgrad.primitives.running import cut
from fgrad.primitives.shape import concatenate

INT64 = np.dtype("int64")
Values = list[Any]


def times(x: Any, w: Any) -> Any:
    """x @ w.T over the last axis."""
    return dot_general(x, w, contract=((x.ndim - 1,), (1,)), batch=((), ()))


def parts(x: Any, n: int) -> Values:
    """The last axis in `n` equal parts."""
    size = x.shape[-1] // n
    return [cut(x, x.ndim - 1, i * size, (i + 1) * size) for i in range(n)]


def lstm_step(a: Any, b: Any, carry: Values) -> Values:
    """[h, c] from the gates' parts `a` of the input and `b` of the state. Source: Hochreiter & Schmidhuber 1997, Gers et al. 2000."""
    i, f, g, o = parts(a + b, 4)
    state = c.sigmoid(f) * carry[1] + c.sigmoid(i) * c.tanh(g)
    return [c.sigmoid(o) * c.tanh(state), state]


def gru_step(a: Any, b: Any, carry: Values) -> Values:
    """[h]; the reset gate multiplies what comes from the state. Source: Cho et al. 2014."""
    (ar, az, an), (br, bz, bn) = parts(a, 3), parts(b, 3)
    z = c.sigmoid(az + bz)
    new = c.tanh(an + c.sigmoid(ar + br) * bn)
    return [new + z * (carry[0] - new)]


def tanh_step(a: Any, b: Any, carry: Values) -> Values:
    """[tanh(a + b)]. Source: Elman 1990."""
    return [c.tanh(a + b)]


def relu_step(a: Any, b: Any, carry: Values) -> Values:
    """[relu(a + b)]."""
    return [c.relu(a + b)]


class Kind(NamedTuple):
    """A kind of recurrent network: its step, how many gates it has and how many tensors it carries."""

    step: Callable[[Any, Any, Values], Values]
    gates: int
    carried: int


KINDS = {
    "LSTM": Kind(lstm_step, 4, 2),
    "GRU": Kind(gru_step, 3, 1),
    "RNN_TANH": Kind(tanh_step, 1, 1),
    "RNN_RELU": Kind(relu_step, 1, 1),
}


class Spec(NamedTuple):
    """What a recurrent network is, apart from its numbers."""

    kind: str
    layers: int
    bias: bool
    directions: int
    projected: bool
    masked: bool  # are there lengths
    dropped: bool  # are there masks between layers
    keep: float

    @property
    def weights(self) -> int:
        """Tensors of one direction of one layer."""
        return 2 + 2 * self.bias + self.projected


def run(spec: Spec, x: Value, states: Values, weights: Values, lengths: Any, reverse: bool) -> tuple[Any, Values]:
    """(results [t, n, h], last states) of one direction of one layer over x [t, n, i]."""
    kind = KINDS[spec.kind]
    w_in, w_state = weights[:2]
    a = times(x, w_in)
    a = a + weights[2] if spec.bias else a

    def step(carry: Values, slices: Values) -> tuple[Values, Values]:
        b = times(carry[0], w_state)
        new = kind.step(slices[0], b + weights[3] if spec.bias else b, carry)
        if spec.projected:
            new[0] = times(new[0], weights[-1])
        if not spec.masked:
            return new, [new[0]]
        alive = c.reshape(c.lt(slices[1], lengths), shape=(lengths.shape[0], 1))
        held = [c.select(alive, y, old) for y, old in zip(new, carry, strict=True)]
        return held, [c.select(alive, new[0], c.number(0, new[0]))]

    counters = [c.iota(shape=(x.shape[0],), dtype=INT64, axis=0, device=x.device)] if spec.masked else []
    last, (y,) = scan_values(step, states, [a, *counters], length=x.shape[0], reverse=reverse)
    return y, last


def network(x: Value, *rest: Value, spec: Spec) -> tuple[Any, ...]:
    """(results [t, n, directions * h], last states [layers * directions, n, h] of each carried tensor).

    rest: first states, the weights of each layer and direction, lengths int64[n], masks between layers.
    """
    kind, given = KINDS[spec.kind], list(rest)
    states = [given.pop(0) for _ in range(kind.carried)]
    count = spec.layers * spec.directions
    weights = [[given.pop(0) for _ in range(spec.weights)] for _ in range(count)]
    lengths = given.pop(0) if spec.masked else None
    ends: list[Values] = []
    for layer in range(spec.layers):
        if layer and spec.dropped:
            x = c.select(given.pop(0), x * c.number(1 / spec.keep if spec.keep else 0.0, x), c.number(0, x))
        found = []
        for direction in range(spec.directions):
            at = layer * spec.directions + direction
            first = [c.reshape(cut(s, 0, at, at + 1), shape=s.shape[1:]) for s in states]
            y, last = run(spec, x, first, weights[at], lengths, direction == 1)
            found.append(y)
            ends.append(last)
        x = concatenate(*found, axis=2) if len(found) > 1 else found[0]
    return x, *[concatenate(*[c.reshape(e[k], shape=(1, *e[k].shape)) for e in ends], axis=0) for k in range(kind.carried)]


def cell(x: Value, *rest: Value, kind: str, bias: bool) -> tuple[Any, ...]:
    """The new states after one step on x [n, i]; rest: states, then weights."""
    own = KINDS[kind]
    states, weights = list(rest[: own.carried]), rest[own.carried :]
    a, b = times(x, weights[0]), times(states[0], weights[1])
    if bias:
        a, b = a + weights[2], b + weights[3]
    return tuple(own.step(a, b, states))
