"""nn.functional at its edges: empty and 0-d inputs, integers, saturated numbers, and what PyTorch refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")

Call = Callable[[Any, Any], Any]  # of the library and its nn.functional


def leaf(m: Any, *shape: int, low: float = -1.5) -> Any:
    """float64 numbers from `low` to 1.5, wanting a gradient."""
    n = int(np.prod(shape))
    x = m.tensor([low + (1.5 - low) * ((7 * i + 3) % 11) / 10 for i in range(n)], dtype=m.float64)
    return x.reshape(shape).requires_grad_()


def ints(m: Any, *shape: int) -> Any:
    """Numbers from 0 to 2."""
    return (m.arange(int(np.prod(shape))).reshape(shape) * 5) % 3


def outcome(call: Call, m: Any) -> list[Any]:
    """Dtype, shape and numbers of the results, then the gradient of the sum of the first."""
    y, xs = call(m, m.nn.functional)
    ys = y if isinstance(y, tuple) else (y,)
    found = [(str(v.dtype).split(".")[-1], tuple(v.shape), np.asarray(v.detach().numpy())) for v in ys]
    grads = m.autograd.grad((ys[0] * ys[0]).sum(), xs) if xs else ()
    return found + [("gradient", tuple(g.shape), np.asarray(g.detach().numpy())) for g in grads]


def of(name: str, *shapes: tuple[int, ...], **static: Any) -> Call:
    """A function of leaves of the shapes."""

    def call(m: Any, f: Any) -> Any:
        xs = [leaf(m, *s) for s in shapes]
        return getattr(f, name)(*xs, **static), xs

    return call


def of_ints(name: str, *shapes: tuple[int, ...], **static: Any) -> Call:
    """A function of integers of the shapes."""
    return lambda m, f: (getattr(f, name)(*[ints(m, *s) for s in shapes], **static), [])


def weighted(name: str) -> Call:
    """A loss of integers with weights."""
    return lambda m, f: (getattr(f, name)(ints(m, 3, 4), 2 - ints(m, 3, 4), weight=ints(m, 3, 4) + 1), [])


def edges(m: Any, f: Any) -> Any:
    """binary_cross_entropy where the sigmoid is 0 or 1."""
    x = m.tensor([0.0, 1.0, 0.0, 1.0, 1e-13, 0.3], dtype=m.float64).requires_grad_()
    return f.binary_cross_entropy(x, m.tensor([1.0, 0.0, 0.0, 1.0, 0.5, 0.4], dtype=m.float64), reduction="none"), [x]


def ctc(m: Any, f: Any, frames: Any = (6, 5), labels: Any = (3, 2), n: int = 2) -> Any:
    """ctc_loss of two examples."""
    x = leaf(m, 6, n, 4)
    targets = m.tensor([[1, 2, 2], [3, 1, 0]][:n]) if n else m.zeros((0, 3), dtype=m.int64)
    return f.ctc_loss(f.log_softmax(x, -1), targets, frames, labels, reduction="none"), [x]


CALLS: dict[str, Call] = {
    **{f"{n}_pool{d}d of no examples": of(f"{n}_pool{d}d", (0, 3, *(6,) * d), kernel_size=2) for n in ("max", "avg") for d in (1, 2, 3)},
    **{f"lp_pool{d}d of no examples": of(f"lp_pool{d}d", (0, 3, *(6,) * d), kernel_size=2, norm_type=2) for d in (1, 2, 3)},
    "max_pool2d places of no examples": of("max_pool2d", (0, 3, 7, 6), kernel_size=3, stride=2, padding=1, return_indices=True),
    "avg_pool2d of no examples, padded": of("avg_pool2d", (0, 3, 7, 6), kernel_size=3, padding=1, count_include_pad=False),
    "max_pool2d, no stride": of("max_pool2d", (1, 2, 4, 4), kernel_size=2, stride=[]),
    "triplet 0-d": of("triplet_margin_loss", (), (), ()),
    "pairwise_distance 0-d": of("pairwise_distance", (), (), keepdim=True),
    "kl_div 0-d": of("kl_div", (), (), reduction="batchmean", log_target=True),
    "grid_sample of no examples": lambda m, f: (f.grid_sample(leaf(m, 0, 3, 5, 4), leaf(m, 0, 3, 4, 2), align_corners=True), []),
    **{f"poisson_nll_loss of integers, {r}": of_ints("poisson_nll_loss", (3, 4), (3, 4), reduction=r) for r in ("mean", "sum", "none")},
    **{f"{n} of integers, weighted": weighted(n) for n in ("l1_loss", "mse_loss")},
    "gaussian_nll_loss of integers": of_ints("gaussian_nll_loss", (3, 4), (3, 4), var=0.5),
    "margin_ranking_loss of integers": of_ints("margin_ranking_loss", (3, 4), (3, 4), (3, 4), margin=0.2),
    "cosine_embedding_loss of integers": lambda m, f: (f.cosine_embedding_loss(ints(m, 3, 4), 2 - ints(m, 3, 4), m.tensor([1, -1, 1]), 0.2), []),
    "l1_loss of complex numbers, weighted": lambda m, f: (f.l1_loss(m.complex(leaf(m, 4), leaf(m, 4)), m.complex(leaf(m, 4) * 2, leaf(m, 4)),
                                                          weight=m.complex(leaf(m, 4), leaf(m, 4))).detach(), []),
    "cross_entropy, probabilities wider than logits": lambda m, f: (f.cross_entropy(leaf(m, 4, 3).float(), leaf(m, 4, 3)).detach(), []),
    "dropout of bools": lambda m, f: (f.dropout(ints(m, 2, 3).bool(), 1.0), []),
    "binary_cross_entropy at 0 and 1": edges,
    "ctc_loss, neither frames nor labels": lambda m, f: (ctc(m, f, (6, 0), (3, 0))[0].detach(), []),
}

REFUSED: dict[str, Call] = {
    "ctc frames too many": lambda m, f: ctc(m, f, (7, 5)),
    "ctc frames negative": lambda m, f: ctc(m, f, (6, -1)),
    "ctc labels too many": lambda m, f: ctc(m, f, labels=(4, 2)),
    "ctc labels negative": lambda m, f: ctc(m, f, labels=(3, -2)),
    "ctc frames not integers": lambda m, f: ctc(m, f, m.tensor([6.0, 5.0])),
    "ctc of nothing": lambda m, f: ctc(m, f, (), (), 0),
    "max_pool2d negative padding": of("max_pool2d", (1, 2, 4, 4), kernel_size=2, padding=-1),
    "avg_pool2d divided by 0": of("avg_pool2d", (1, 2, 4, 4), kernel_size=2, divisor_override=0),
}

ACTIVATIONS = ("celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "leaky_relu", "logsigmoid", "mish", "rrelu", "selu", "silu",
               "softplus", "softshrink")  # fmt: skip
REFUSED |= {f"{n} of integers": of_ints(n, (2, 4)) for n in ACTIVATIONS}
REFUSED |= {f"{n} of complex numbers": lambda m, f, n=n: (getattr(f, n)(m.ones(2, 4, dtype=m.complex64)), [])  # type: ignore[misc]
            for n in (*ACTIVATIONS, "relu6", "hardtanh") if n != "silu"}  # fmt: skip
REFUSED |= {f"{n} of a number": lambda m, f, n=n: (getattr(f, n)(3.0), [])  # type: ignore[misc]
            for n in (*ACTIVATIONS, "relu", "relu6", "hardtanh", "dropout", "alpha_dropout") if n != "glu"}  # fmt: skip
REFUSED |= {
    **{f"{n} of complex numbers": lambda m, f, n=n: (getattr(f, n)(m.ones(2, 4, dtype=m.complex64), dim=1), [])  # type: ignore[misc]
       for n in ("softmax", "log_softmax")},
    "one_hot of -5 classes": lambda m, f: (f.one_hot(ints(m, 3), -5), []),
    "smooth_l1_loss beta": of("smooth_l1_loss", (3,), (3,), beta=-1.0),
    "huber_loss delta": of("huber_loss", (3,), (3,), delta=0.0),
    "binary_cross_entropy sizes": of("binary_cross_entropy", (2, 3), (3,)),
    "nll_loss of int32 labels": lambda m, f: (f.nll_loss(leaf(m, 4, 3), ints(m, 4).int()), []),
    "nll_loss of float labels": lambda m, f: (f.nll_loss(leaf(m, 4, 3), ints(m, 4).double()), []),
    "cross_entropy of int32 labels": lambda m, f: (f.cross_entropy(leaf(m, 4, 3), ints(m, 4).int()), []),
    "nll_loss 0-d": lambda m, f: (f.nll_loss(leaf(m), ints(m, 1)[0]), []),
    "batch_norm eps": of("batch_norm", (2, 3), running_mean=None, running_var=None, training=True, eps=0.0, weight=None),
    **{f"adaptive_avg_pool{d}d of no elements": of(f"adaptive_avg_pool{d}d", (2, 3, *(0,) * d), output_size=2) for d in (1, 2, 3)},
    "adaptive_avg_pool2d rank": of("adaptive_avg_pool2d", (5, 4), output_size=2),
    "adaptive_avg_pool2d sizes": of("adaptive_avg_pool2d", (1, 2, 5, 4), output_size=(2, 2, 2)),
    "prelu of integers": of_ints("prelu", (2, 3), (3,)),
    "gelu of no form": of("gelu", (3,), approximate="x"),
    "rrelu bounds": of("rrelu", (3,), lower=0.2, upper=0.1),
    "softsign of bools": lambda m, f: (f.softsign(ints(m, 3).bool()), []),
    "tanhshrink of bools": lambda m, f: (f.tanhshrink(ints(m, 3).bool()), []),
    "threshold of bools": lambda m, f: (f.threshold(ints(m, 3).bool(), 0.1, 2), []),
    "conv2d padding named": of("conv2d", (1, 2, 4, 4), (3, 2, 2, 2), padding="x"),
    "conv2d padding negative": of("conv2d", (1, 2, 4, 4), (3, 2, 2, 2), padding=-1),
    "conv_transpose2d padding negative": of("conv_transpose2d", (1, 2, 4, 4), (2, 3, 2, 2), padding=-1),
    "conv2d of two dtypes": lambda m, f: (f.conv2d(leaf(m, 1, 2, 4, 4), leaf(m, 3, 2, 2, 2).float()), []),
    "conv_transpose2d of two dtypes": lambda m, f: (f.conv_transpose2d(leaf(m, 1, 2, 4, 4), leaf(m, 2, 3, 2, 2).float()), []),
    "batch_norm without statistics": of("batch_norm", (2, 3), running_mean=None, running_var=None),
}
CALLS |= {
    "softsign of complex numbers": lambda m, f: (f.softsign(m.complex(leaf(m, 4), leaf(m, 4))).detach(), []),
    "softmax of no integers": of_ints("softmax", (0, 3), dim=1),
    "adaptive_avg_pool2d to nothing": lambda m, f: (f.adaptive_avg_pool2d(leaf(m, 2, 3, 4, 5), 0).detach(), []),
    "attention to nothing": of("scaled_dot_product_attention", (2, 4, 6), (2, 0, 6), (2, 0, 7)),
    "batch_norm of no examples": of("batch_norm", (0, 3), weight=None, running_mean=None, running_var=None, training=True),
    "embedding of integers by count": lambda m, f: (f.embedding(ints(m, 4), ints(m, 5, 3), scale_grad_by_freq=True), []),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_are_pytorchs(name: str) -> None:
    got, want = (outcome(CALLS[name], m) for m in (fgrad, torch))
    assert [g[:2] for g in got] == [w[:2] for w in want]
    for (_, _, a), (_, _, b) in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_pytorchs(name: str) -> None:
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)) as want:
        outcome(REFUSED[name], torch)
    with pytest.raises(want.type):
        outcome(REFUSED[name], fgrad)
