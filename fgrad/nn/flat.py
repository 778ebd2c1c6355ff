"""PyTorch's recurrent functions at the top level: networks and cells that take their weights as a flat list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError
from fgrad.functions.call import compose_many
from fgrad.functions.creation import as_tensor
from fgrad.functions.random import bernoulli_bits
from fgrad.functions.shape import transpose
from fgrad.ir.apply import caller
from fgrad.nn import recurrence
from fgrad.nn.recurrence import KINDS, Spec
from fgrad.nn.utils.rnn import laid_out, lengths_of, numbers, packed_rows

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"]


def _run(kind: str, x: Any, states: Sequence[Any], params: Sequence[Any], lengths: Any, has_biases: bool, num_layers: int, dropout: float,
         train: bool, bidirectional: bool) -> tuple[Any, ...]:  # fmt: skip
    """(results, last states...) over x[t, n, i]."""
    if len(states) != KINDS[kind].carried:
        raise ArgumentError(f"{kind.lower()} expects {KINDS[kind].carried} hidden states, got {len(states)}", where=caller(), fix="pass (h, c) to lstm, h to others")
    projected = kind == "LSTM" and states[0]._type.shape[-1] != states[1]._type.shape[-1]
    directions, dropped = 2 if bidirectional else 1, bool(train and dropout and num_layers > 1)
    spec = Spec(kind, num_layers, has_biases, directions, projected, lengths is not None, dropped, 1 - float(dropout))
    if len(params) != spec.weights * num_layers * directions:
        raise ArgumentError(f"{kind.lower()}: {spec.weights * num_layers * directions} weights were expected, got {len(params)}", where=caller(),
                            fix="pass weight_ih, weight_hh, bias_ih, bias_hh (and weight_hr) of every layer and direction")  # fmt: skip
    shape = (*x._type.shape[:2], directions * states[0]._type.shape[-1])
    masks = [bernoulli_bits(type(x)._result, shape, spec.keep, None, x._device) for _ in range(num_layers - 1)] if dropped else []
    given = [] if lengths is None else [lengths]
    return tuple(compose_many(recurrence.network, x, *states, *params, *given, *masks, spec=spec))


def _network(kind: str) -> Callable[..., Any]:
    many = KINDS[kind].carried == 2

    def packed(data: Any, batch_sizes: Any, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float, train: bool,
               bidirectional: bool) -> tuple[Any, ...]:  # fmt: skip
        sizes = numbers(batch_sizes)
        lengths = as_tensor(np.asarray(lengths_of(sizes), np.int64)).to(data.device)
        x = laid_out(data, sizes, len(sizes))
        y, *last = _run(kind, x, hx if many else [hx], params, lengths, has_biases, num_layers, dropout, train, bidirectional)
        return packed_rows(y, sizes), *last

    def padded(input: Any, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool,
               batch_first: bool) -> tuple[Any, ...]:  # fmt: skip
        x = transpose(input, 0, 1) if batch_first else input
        y, *last = _run(kind, x, hx if many else [hx], params, None, has_biases, num_layers, dropout, train, bidirectional)
        return transpose(y, 0, 1) if batch_first else y, *last

    def network(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        is_packed = "batch_sizes" in kwargs or (len(args) > 3 and not isinstance(args[3], bool | int))
        return packed(*args, **kwargs) if is_packed else padded(*args, **kwargs)

    network.__name__ = network.__qualname__ = kind.lower()
    network.__doc__ = (
        f"nn.{kind.split('_')[0]} on weights given as a list, layer by layer: (results, last {'h, last c' if many else 'states'}).\n\n"
        f"    (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first), or for packed rows\n"
        f"    (data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional).\n"
        f"    input: float[t, n, i].  hx: {'(h, c)' if many else 'h'}, float[layers * directions, n, size] each.\n    "
    )
    return network


def _cell(kind: str) -> Callable[..., Any]:
    many = KINDS[kind].carried == 2

    def cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
        if (b_ih is None) != (b_hh is None):
            raise ArgumentError("one bias without the other", where=caller(), fix="pass both or none")
        biases = [] if b_ih is None else [b_ih, b_hh]
        found = compose_many(recurrence.cell, input, *(hx if many else [hx]), w_ih, w_hh, *biases, kind=kind, bias=bool(biases))
        return tuple(found) if many else found[0]

    cell.__name__ = cell.__qualname__ = f"{kind.lower()}_cell"
    cell.__doc__ = f"One step of {kind.lower()} on float[n, i]: {'(h, c)' if many else 'h'} to {'(h, c)' if many else 'h'}."
    return cell


lstm, gru, rnn_tanh, rnn_relu = map(_network, ("LSTM", "GRU", "RNN_TANH", "RNN_RELU"))
lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell = map(_cell, ("LSTM", "GRU", "RNN_TANH", "RNN_RELU"))
