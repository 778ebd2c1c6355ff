"""torch.lstm and kin: weights as a flat list, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
NAMES = {"lstm": ("LSTM", {}), "gru": ("GRU", {}), "rnn_tanh": ("RNN", {}), "rnn_relu": ("RNN", {"nonlinearity": "relu"})}
every = pytest.mark.parametrize("name", NAMES)


def sides(name: str, **options: Any) -> tuple[Any, list[Any]]:
    kind, own = NAMES[name]
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(3, 4, **own, **options)
    return module, [fgrad.tensor(p.detach().numpy(), requires_grad=True) for p in module._flat_weights]


def ours(x: Any) -> Any:
    return tuple(map(ours, x)) if isinstance(x, tuple | list) else fgrad.tensor(x.numpy()) if isinstance(x, torch.Tensor) else x


def check(got: Any, want: Any) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)


@every
@pytest.mark.parametrize(("layers", "bias", "both", "first"), [(1, True, False, False), (2, True, True, False), (2, False, False, True)])
def test_networks(name: str, layers: int, bias: bool, both: bool, first: bool) -> None:
    module, weights = sides(name, num_layers=layers, bias=bias, bidirectional=both, batch_first=first)
    h = torch.randn(layers * (1 + both), 5, 4)
    hx = (h, h + 1) if name == "lstm" else h
    x = torch.randn(*((5, 6, 3) if first else (6, 5, 3)))
    options = (bias, layers, 0.0, False, both, first)
    want = getattr(torch, name)(x, hx, module._flat_weights, *options)
    got = getattr(fgrad, name)(ours(x), ours(hx), weights, *options)
    check(got, want)
    (want[0] ** 2).sum().backward()
    (got[0] ** 2).sum().backward()
    check([w.grad for w in weights], [p.grad for p in module._flat_weights])


@every
def test_packed_rows(name: str) -> None:
    module, weights = sides(name)
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.randn(6, 3, 3), [6, 4, 1])
    h = torch.randn(1, 3, 4)
    hx = (h, h + 1) if name == "lstm" else h
    options = (True, 1, 0.0, False, False)
    want = getattr(torch, name)(packed.data, packed.batch_sizes, hx, module._flat_weights, *options)
    check(getattr(fgrad, name)(ours(packed.data), ours(packed.batch_sizes), ours(hx), weights, *options), want)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_projected_lstm() -> None:
    module, weights = sides("lstm", proj_size=2)
    x, hx = torch.randn(6, 5, 3), (torch.randn(1, 5, 2), torch.randn(1, 5, 4))
    options = (True, 1, 0.0, False, False, False)
    check(fgrad.lstm(ours(x), ours(hx), weights, *options), torch.lstm(x, hx, module._flat_weights, *options))


@every
@pytest.mark.parametrize("bias", [True, False])
def test_cells(name: str, bias: bool) -> None:
    module, weights = sides(name, bias=bias)
    x, h = torch.randn(5, 3), torch.randn(5, 4)
    hx = (h, h + 1) if name == "lstm" else h
    want = getattr(torch, f"{name}_cell")(x, hx, *module._flat_weights)
    got = getattr(fgrad, f"{name}_cell")(ours(x), ours(hx), *weights)
    check(got, want) if name == "lstm" else check([got], [want])


def test_dropout_is_drawn_in_training_alone() -> None:
    _, weights = sides("gru", num_layers=2)
    x, h = fgrad.ones(6, 5, 3), fgrad.zeros(2, 5, 4)
    plain, trained = (fgrad.gru(x, h, weights, True, 2, 0.5, train, False, False)[0] for train in (False, True))
    assert not fgrad.allclose(plain, trained)
    assert fgrad.allclose(plain, fgrad.gru(x, h, weights, True, 2, 0.0, True, False, False)[0])


def test_wrong_arguments() -> None:
    _, weights = sides("lstm")
    x, h = fgrad.ones(6, 5, 3), fgrad.zeros(1, 5, 4)
    with pytest.raises(RuntimeError, match="2 hidden states"):
        fgrad.lstm(x, (h,), weights, True, 1, 0.0, False, False, False)
    with pytest.raises(RuntimeError, match="weights were expected"):
        fgrad.lstm(x, (h, h), weights[:3], True, 1, 0.0, False, False, False)
    with pytest.raises(RuntimeError, match="one bias"):
        fgrad.lstm_cell(x[0], (h[0], h[0]), *weights[:3])
