"""Layers with all their arguments against PyTorch: values, gradients, attributes, text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")


def wave(shape: tuple[int, ...], k: float = 1.3) -> np.ndarray:
    return (np.sin(np.arange(int(np.prod(shape))) * k) + 0.1).reshape(shape)


def answers(T: Any, make: Callable[[Any], Any], shape: tuple[int, ...]) -> list[Any]:
    """Text, output, gradients and state of a layer in float64 with fixed weights."""
    m = make(T).double()
    with T.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(T.tensor(wave(tuple(p.shape), 0.7 + i) * 0.3))
    x = T.tensor(wave(shape), requires_grad=True)
    y = m(x)
    ys = y if isinstance(y, tuple) else (y,)
    (ys[0] * ys[0] * ys[0]).sum().backward()
    tensors = [*ys, x.grad, *(p.grad for p in m.parameters()), *m.state_dict().values()]
    return [repr(m), list(m.state_dict()), *(t.detach().numpy().tolist() for t in tensors)]


def agree(make: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    found, wanted = answers(fgrad, make, shape), answers(torch, make, shape)
    assert found[:2] == wanted[:2]
    assert len(found) == len(wanted)
    for a, b in zip(found[2:], wanted[2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


CONV: list[dict[str, Any]] = [
    {}, {"stride": 2, "bias": False}, {"padding": "same", "dilation": 2}, {"padding": 1, "padding_mode": "circular"},
    {"padding": 2, "padding_mode": "reflect", "groups": 2}, {"padding": "same", "padding_mode": "replicate"},
    {"padding": "valid"}, {"padding": 1, "padding_mode": "reflect", "stride": 2},
]  # fmt: skip


@pytest.mark.parametrize("options", CONV)
def test_convolutions(options: dict[str, Any]) -> None:
    agree(lambda T: T.nn.Conv2d(2, 4, 3, **options), (2, 2, 7, 6))
    agree(lambda T: T.nn.Conv1d(2, 4, 3, **options), (2, 2, 9))


def test_sizes_of_convolutions_are_tuples() -> None:
    for T in (torch, fgrad):
        m = T.nn.Conv2d(1, 1, 3, padding=1)
        assert (m.kernel_size, m.stride, m.padding, m.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))


@pytest.mark.parametrize("wrong", [{"padding_mode": "foo"}, {"padding": "foo"}, {"padding": "same", "stride": 2}])
def test_convolutions_refuse_at_once(wrong: dict[str, Any]) -> None:
    for T in (torch, fgrad):
        with pytest.raises(ValueError, match="padding"):
            T.nn.Conv2d(1, 1, 3, **wrong)


def test_padding_wider_than_the_input() -> None:
    for T in (torch, fgrad):
        with pytest.raises(RuntimeError, match="[Pp]adding"):
            T.nn.Conv1d(1, 1, 3, padding=4, padding_mode="reflect")(T.ones(1, 1, 4))


NORM: list[dict[str, Any]] = [
    {}, {"affine": False}, {"bias": False}, {"track_running_stats": False}, {"momentum": None, "eps": 0.01},
    {"momentum": 0.0},
]  # fmt: skip


@pytest.mark.parametrize("options", NORM)
def test_batch_norms(options: dict[str, Any]) -> None:
    agree(lambda T: T.nn.BatchNorm1d(3, **options), (5, 3))
    agree(lambda T: T.nn.BatchNorm2d(3, **options), (2, 3, 4, 2))
    agree(lambda T: T.nn.BatchNorm2d(3, **options).eval(), (2, 3, 4, 2))


def test_absent_tensors_are_none_and_resets() -> None:
    for T in (torch, fgrad):
        bare = T.nn.BatchNorm1d(3, affine=False, track_running_stats=False)
        assert (bare.weight, bare.bias, bare.running_mean, bare.num_batches_tracked) == (None, None, None, None)
        assert T.nn.LayerNorm(3, elementwise_affine=False).weight is None
        m = T.nn.BatchNorm1d(3)
        m(T.tensor(wave((4, 3)), dtype=T.float32))
        m.reset_running_stats()
        assert (m.running_mean.tolist(), m.running_var.tolist(), m.num_batches_tracked.item()) == ([0.0] * 3, [1.0] * 3, 0)
        lin = T.nn.Linear(3, 3)
        before = lin.weight.tolist()
        lin.reset_parameters()
        assert lin.weight.tolist() != before
        assert lin.weight.requires_grad


@pytest.mark.parametrize("options", [{}, {"elementwise_affine": False}, {"bias": False}, {"eps": 0.1}])
def test_layer_norms(options: dict[str, Any]) -> None:
    agree(lambda T: T.nn.LayerNorm(4, **options), (2, 3, 4))
    agree(lambda T: T.nn.LayerNorm([3, 4], **options), (2, 3, 4))
    assert fgrad.nn.LayerNorm(4).normalized_shape == torch.nn.LayerNorm(4).normalized_shape


POOL: list[dict[str, Any]] = [
    {"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 2, "ceil_mode": True},
    {"kernel_size": (2, 3), "stride": (1, 2)},
]  # fmt: skip


@pytest.mark.parametrize("options", [*POOL, {"kernel_size": 2, "dilation": 2}])
def test_max_pools_and_their_positions(options: dict[str, Any]) -> None:
    agree(lambda T: T.nn.MaxPool2d(**options), (2, 2, 7, 6))
    agree(lambda T: T.nn.MaxPool2d(**options, return_indices=True), (2, 2, 7, 6))
    one = {k: v if isinstance(v, bool) else np.ravel(v).tolist()[0] for k, v in options.items()}
    agree(lambda T: T.nn.MaxPool1d(**one, return_indices=True), (2, 2, 7))


@pytest.mark.parametrize("options", POOL)
def test_average_pools(options: dict[str, Any]) -> None:
    agree(lambda T: T.nn.AvgPool2d(**options), (2, 2, 7, 6))
    agree(lambda T: T.nn.AvgPool2d(**options, count_include_pad=False), (2, 2, 7, 6))
    agree(lambda T: T.nn.AvgPool2d(**options, divisor_override=3), (2, 2, 7, 6))


EMBED: list[dict[str, Any]] = [
    {}, {"padding_idx": -1}, {"max_norm": 0.5}, {"max_norm": 0.4, "norm_type": 1.0}, {"scale_grad_by_freq": True},
    {"sparse": False, "padding_idx": 1},
]  # fmt: skip


@pytest.mark.parametrize("options", EMBED)
def test_embeddings(options: dict[str, Any]) -> None:
    got = []
    for T in (torch, fgrad):
        table = T.tensor(wave((5, 3)))
        m = T.nn.Embedding.from_pretrained(table, freeze=False, **options)
        y = m(T.tensor([[1, 4], [0, 1]]))
        (y * y * y).sum().backward()
        got.append([repr(m), m.padding_idx, *(t.detach().numpy() for t in (y, m.weight, m.weight.grad))])
    assert got[0][:2] == got[1][:2]
    for a, b in zip(got[0][2:], got[1][2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_embedding_layer_is_pure_with_max_norm() -> None:
    layer = fgrad.nn.embedding(5, 3, max_norm=0.5)
    table = fgrad.numpy.asarray(wave((5, 3)))
    rows = layer({"weight": table}, fgrad.numpy.asarray([1, 2]))
    wanted = torch.nn.functional.embedding(torch.tensor([1, 2]), torch.tensor(wave((5, 3))), max_norm=0.5)
    np.testing.assert_allclose(np.asarray(rows), wanted.numpy(), rtol=1e-9)
    np.testing.assert_array_equal(np.asarray(table), wave((5, 3)))


def test_pretrained_embeddings_are_frozen_and_sizes_checked() -> None:
    for T in (torch, fgrad):
        assert not T.nn.Embedding.from_pretrained(T.ones(3, 2)).weight.requires_grad
        with pytest.raises(AssertionError):
            T.nn.Embedding(4, 2, padding_idx=7)


TEXTS = [
    "ReLU()", "ReLU(inplace=True)", "GELU()", "GELU('tanh')", "ELU(0.5, inplace=True)", "LeakyReLU(0.2)", "Softmax()",
    "Softmax(dim=1)", "LogSoftmax(1)", "Flatten()", "Flatten(0, 2)", "Softplus()", "Dropout(0.3)", "MaxPool2d(2)",
    "MaxPool2d(3, 2, 1, ceil_mode=True)", "AvgPool2d(3, 2)", "AdaptiveAvgPool2d((1, None))", "CrossEntropyLoss()",
    "MSELoss(reduction='sum')", "Tanh()", "Sigmoid()", "Identity()", "Linear(2, 3, bias=False)", "Embedding(3, 2)",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_texts(text: str) -> None:
    assert repr(eval(f"nn.{text}", {"nn": fgrad.nn})) == repr(eval(f"nn.{text}", {"nn": torch.nn}))


def test_cross_entropy_refuses() -> None:
    for T in (torch, fgrad):
        x, p = T.ones(2, 3), T.full((2, 3), 1 / 3)
        with pytest.raises(RuntimeError):
            T.nn.CrossEntropyLoss(label_smoothing=2.0)(x, T.tensor([0, 1]))
        with pytest.raises(RuntimeError):
            T.nn.CrossEntropyLoss(ignore_index=1)(x, p)
        with pytest.raises(RuntimeError):
            T.nn.CrossEntropyLoss(weight=T.ones(4))(x, T.tensor([0, 1]))
