"""Recurrent networks as Layers and Modules: RNN, LSTM, GRU and their cells. Sequences are scanned, packed ones under a mask."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import numpy as np

from fgrad import random
from fgrad.eager import casting
from fgrad.eager.operands import convert
from fgrad.functions.call import compose_many
from fgrad.functions.creation import as_tensor, fill
from fgrad.functions.random import bernoulli_bits
from fgrad.functions.select import index_select
from fgrad.functions.shape import transpose
from fgrad.nn import recurrence
from fgrad.nn.affine import within
from fgrad.nn.layer import Layer, LayerModule, Param, Tree
from fgrad.nn.recurrence import KINDS, Spec
from fgrad.nn.utils.rnn import PackedSequence, laid_out, lengths_of, numbers, packed_rows


def _check_sizes(kind: str, hidden: int, layers: int, dropout: Any, proj: int) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
        raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
    if dropout and layers == 1:
        warnings.warn("dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
                      f"greater than 1, but got dropout={dropout} and num_layers={layers}", stacklevel=5)  # fmt: skip
    for name, size in (("hidden_size", hidden), ("num_layers", layers)):
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if proj and kind != "LSTM":
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if not 0 <= proj < hidden:
        raise ValueError("proj_size should be a positive integer or zero to disable projections, and smaller than hidden_size")


def _parameters(gates: int, size: int, hidden: int, layers: int, bias: bool, directions: int, proj: int) -> dict[str, Param]:
    """Every tensor, uniform within 1/sqrt(hidden)."""
    start, out = within(1 / math.sqrt(hidden)), proj or hidden
    found = {}
    for layer in range(layers):
        for suffix in ("", "_reverse")[:directions]:
            own = size if layer == 0 else out * directions
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates * hidden, own), "weight_hh": (gates * hidden, out)}
            if bias:
                shapes.update(bias_ih=(gates * hidden,), bias_hh=(gates * hidden,))
            if proj:
                shapes["weight_hr"] = (proj, hidden)
            found.update({f"{name}_l{layer}{suffix}": Param(shape, start) for name, shape in shapes.items()})
    return found


def _masks(x: Any, key: Any, keep: float, layers: int, width: int) -> list[Any]:
    """What is kept of each layer's results but the last's."""
    shape = (*x._type.shape[:2], width)
    if key is None:
        return [bernoulli_bits(type(x)._result, shape, keep, None, x._device) for _ in range(layers - 1)]
    return [random.bernoulli(random.fold_in(key, i), keep, shape) for i in range(layers - 1)]


def _first(x: Any, hx: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    """The states given, checked, or zeros."""
    if hx is None:
        return [fill(shape, 0, x._type.dtype, x._device, False) for shape in shapes]
    given = [hx] if len(shapes) == 1 else list(hx)
    for h, shape in zip(given, shapes, strict=True):
        if h._type.shape != shape:
            raise RuntimeError(f"Expected hidden size {shape}, got {list(h._type.shape)}")
    return given


def recurrent(kind: str, input_size: int, hidden_size: int, num_layers: int, bias: bool, batch_first: bool, dropout: float,
              bidirectional: bool, proj_size: int) -> Layer:  # fmt: skip
    """A recurrent network of some kind: apply(params, state, x, hx) -> ((y, last states), state)."""
    _check_sizes(kind, hidden_size, num_layers, dropout, proj_size)
    directions, own = 2 if bidirectional else 1, KINDS[kind]
    params = _parameters(own.gates, input_size, hidden_size, num_layers, bias, directions, proj_size)
    sizes = (proj_size or hidden_size, hidden_size)[: own.carried]

    def apply(p: Tree, state: Tree, x: Any, hx: Any = None, lengths: Any = None, *, train: bool = False,
              key: Any = None) -> tuple[Any, Tree]:  # fmt: skip
        if x._type.shape[-1] != input_size:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {input_size}, got {x._type.shape[-1]}")
        single = x._type.ndim == 2
        x = x[:, None] if single else transpose(x, 0, 1) if batch_first else x
        hx = hx if hx is None or not single else hx[:, None] if own.carried == 1 else tuple([h[:, None] for h in hx])
        dropped = bool(train and dropout and num_layers > 1)
        spec = Spec(kind, num_layers, bias, directions, bool(proj_size), lengths is not None, dropped, 1 - float(dropout))
        masks = _masks(x, key, spec.keep, num_layers, directions * sizes[0]) if dropped else []
        extra = [*([] if lengths is None else [lengths]), *masks]
        states = _first(x, hx, [(num_layers * directions, x._type.shape[1], size) for size in sizes])
        given = casting.lower(x, *states, *[p[name] for name in params])
        found = compose_many(recurrence.network, *given, *extra, spec=spec)
        y, *last = found if kind != "GRU" else [convert(h, x._type.dtype) for h in found]  # autocast: PyTorch's GRU adds to its states
        if single:
            y, last = y[:, 0], [h[:, 0] for h in last]
        elif batch_first:
            y = transpose(y, 0, 1)
        return (y, last[0] if own.carried == 1 else tuple(last)), state

    return Layer(params, apply)


def rnn(input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False) -> Layer:  # fmt: skip
    """h[t] = tanh(W_ih x[t] + b_ih + W_hh h[t - 1] + b_hh), or relu; layers of it, in both directions if asked. See lstm."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
    kind = f"RNN_{nonlinearity.upper()}"
    return recurrent(kind, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0)


def lstm(input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
         bidirectional: bool = False, proj_size: int = 0) -> Layer:  # fmt: skip
    """Long short-term memory: float[t, n, input_size], (h, c) -> float[t, n, directions * hidden_size], last (h, c).

    c' = s(f) c + s(i) tanh(g), h' = s(o) tanh(c'); (i, f, g, o) = W_ih x + b_ih + W_hh h + b_hh.  batch_first: [n, t, ...].
    dropout: between layers, in training.  proj_size: h is W_hr times that, of this size.  h, c: float[layers *
    directions, n, size], zeros unless given.  Source: Hochreiter & Schmidhuber 1997.

    >>> import fgrad
    >>> y, (h, c) = fgrad.nn.LSTM(3, 4, num_layers=2, bidirectional=True)(fgrad.ones(5, 2, 3))
    >>> y.shape, h.shape
    (fgrad.Size([5, 2, 8]), fgrad.Size([4, 2, 4]))
    """
    return recurrent("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size)


def gru(input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
        bidirectional: bool = False) -> Layer:  # fmt: skip
    """Gated recurrent units: h' = (1 - z) tanh(W_in x + b_in + r (W_hn h + b_hn)) + z h, gates r, z = s(...). See lstm.

    Source: Cho et al. 2014.
    """
    return recurrent("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0)


class RNNBase(LayerModule):
    """What recurrent networks share: packed sequences, and their tensors in order."""

    plain = frozenset({"device", "dtype"})
    mode: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs and self.mode != "LSTM":
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__(*args, **kwargs)
        self.__dict__.setdefault("proj_size", 0)

    def flatten_parameters(self) -> None:
        """Accepted: nothing needs to lie side by side."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """The tensors of each layer and direction."""
        names, count = list(self.layer.params), self.num_layers * (2 if self.bidirectional else 1)
        size = len(names) // count
        return [[getattr(self, name) for name in names[i * size : (i + 1) * size]] for i in range(count)]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """(results, last states); of a PackedSequence a PackedSequence."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        name = type(self).__name__
        if input._type.ndim not in (2, 3):
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input._type.ndim}D instead")
        if input._type.dtype != self.weight_hh_l0._type.dtype and casting.target(input) is None:
            raise ValueError(f"RNN input dtype ({input.dtype}) does not match weight dtype ({self.weight_hh_l0.dtype}). Convert "
                             f"input: input.to({self.weight_hh_l0.dtype})")  # fmt: skip
        for h in () if hx is None else hx if isinstance(hx, tuple | list) else (hx,):
            if h._type.ndim != input._type.ndim:
                raise RuntimeError(f"For {'batched' if input._type.ndim == 3 else 'unbatched'} {input._type.ndim}-D input, hx should "
                                   f"also be {input._type.ndim}-D but got {h._type.ndim}-D tensor")  # fmt: skip
        return super().forward(input, hx)

    def _packed(self, packed: PackedSequence, hx: Any) -> Any:
        sizes = numbers(packed.batch_sizes)
        x = laid_out(packed.data, sizes, len(sizes))
        many = isinstance(hx, tuple | list)
        states = None if hx is None else list(hx) if many else [hx]
        if states is not None and packed.sorted_indices is not None:
            states = [index_select(h, 1, packed.sorted_indices) for h in states]
        lengths = as_tensor(np.asarray(lengths_of(sizes), np.int64)).to(x.device)
        given = states if states is None else tuple(states) if many else states[0]
        x = transpose(x, 0, 1) if self.batch_first else x
        y, last = super().forward(x, given, lengths)
        y = packed_rows(transpose(y, 0, 1) if self.batch_first else y, sizes)
        if packed.unsorted_indices is not None:
            order = packed.unsorted_indices
            last = tuple([index_select(h, 1, order) for h in last]) if isinstance(last, tuple) else index_select(last, 1, order)
        return packed._replace(data=y), last

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        own = self.__dict__
        given = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        return ", ".join([f"{own['input_size']}, {own['hidden_size']}", *(f"{k}={own[k]}" for k, v in given.items() if own[k] != v)])


class RNN(RNNBase, of=rnn):
    """Plain recurrent network."""

    @property
    def mode(self) -> str:  # type: ignore[override]  # of the instance here
        """RNN_TANH or RNN_RELU."""
        return f"RNN_{self.__dict__.get('nonlinearity', 'tanh').upper()}"


class LSTM(RNNBase, of=lstm):
    """Long short-term memory."""

    mode = "LSTM"


class GRU(RNNBase, of=gru):
    """Gated recurrent units."""

    mode = "GRU"


def recurrent_cell(kind: str, input_size: int, hidden_size: int, bias: bool) -> Layer:
    """One step: apply(params, state, x, hx) -> (new states, state)."""
    own, start = KINDS[kind], within(1 / math.sqrt(hidden_size) if hidden_size > 0 else 0.0)
    rows = own.gates * hidden_size
    params = {"weight_ih": Param((rows, input_size), start), "weight_hh": Param((rows, hidden_size), start)}
    if bias:
        params.update(bias_ih=Param((rows,), start), bias_hh=Param((rows,), start))

    def apply(p: Tree, state: Tree, x: Any, hx: Any = None, *, train: bool = False, key: Any = None) -> tuple[Any, Tree]:
        if x._type.ndim not in (1, 2):
            raise ValueError(f"Expected input to be 1D or 2D, got {x._type.ndim}D instead")
        single = x._type.ndim == 1
        last = None if hx is None else list(hx) if own.carried == 2 else [hx]
        if single:
            x, last = x[None], last if last is None else [h[None] for h in last]
        if x._type.shape[1] != input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {x._type.shape[1]} expected {input_size}")
        n = x._type.shape[0]
        states = last or [fill((n, hidden_size), 0, x._type.dtype, x._device, False) for _ in range(own.carried)]
        if any(h._type.shape != (n, hidden_size) for h in states):
            raise RuntimeError(f"hidden has inconsistent hidden_size: got {[h._type.shape for h in states]}, expected {(n, hidden_size)}")
        given = casting.lower(x, *states, *[p[name] for name in params])
        found = compose_many(recurrence.cell, *given, kind=kind, bias=bias)
        if kind in ("LSTM", "GRU"):
            found = tuple([convert(h, x._type.dtype) for h in found])  # autocast: sums with states of the input's dtype
        found = tuple([h[0] for h in found]) if single else found
        return (found if own.carried == 2 else found[0]), state

    return Layer(params, apply)


def rnn_cell(input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh") -> Layer:
    """One step of rnn: float[n, input_size], h -> h."""
    if nonlinearity not in ("tanh", "relu"):
        raise RuntimeError(f"Unknown nonlinearity: {nonlinearity}")
    return recurrent_cell(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, bias)


def lstm_cell(input_size: int, hidden_size: int, bias: bool = True) -> Layer:
    """One step of lstm: float[n, input_size], (h, c) -> (h, c)."""
    return recurrent_cell("LSTM", input_size, hidden_size, bias)


def gru_cell(input_size: int, hidden_size: int, bias: bool = True) -> Layer:
    """One step of gru: float[n, input_size], h -> h."""
    return recurrent_cell("GRU", input_size, hidden_size, bias)


class RNNCellBase(LayerModule):
    """What cells share."""

    plain = frozenset({"device", "dtype"})

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The new state."""
        return super().forward(input, hx)

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        own = self.__dict__
        parts = [f"{own['input_size']}, {own['hidden_size']}", *([] if own["bias"] is True else [f"bias={own['bias']}"])]
        return ", ".join(parts + ([f"nonlinearity={own['nonlinearity']}"] if own.get("nonlinearity", "tanh") != "tanh" else []))


class RNNCell(RNNCellBase, of=rnn_cell):
    """One step of RNN."""


class LSTMCell(RNNCellBase, of=lstm_cell):
    """One step of LSTM."""


class GRUCell(RNNCellBase, of=gru_cell):
    """One step of GRU."""
