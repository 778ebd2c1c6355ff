"""A table of Modules against PyTorch: the same state loaded into both, then text, results, gradients and state compared."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]


class Case(NamedTuple):
    """`text` is evaluated with nn and T in scope; inputs are shapes (floats) or functions of T."""

    text: str
    inputs: tuple[Any, ...] = ((2, 3, 4),)
    train: bool = True
    options: tuple[tuple[str, Any], ...] = ()


def wave(shape: tuple[int, ...], k: float = 1.3) -> np.ndarray:
    return (np.sin(np.arange(int(np.prod(shape))) * k) + 0.1).reshape(shape)


def ints(shape: tuple[int, ...], high: int, dtype: str = "int64") -> Callable[[Any], Any]:
    return lambda T: T.tensor((np.arange(int(np.prod(shape))) * 7 % high).reshape(shape).astype(dtype))


def signs(shape: tuple[int, ...]) -> Callable[[Any], Any]:
    return lambda T: T.tensor(np.where(wave(shape) > 0, 1.0, -1.0))


def unit(shape: tuple[int, ...]) -> Callable[[Any], Any]:
    return lambda T: T.tensor(wave(shape) * 0.4 + 0.5)


SEQUENCE, IMAGE, VOLUME = (2, 4, 7), (2, 4, 6, 5), (1, 4, 4, 6, 5)
X23 = ((3, 4), (3, 4))
ACTIVATIONS = [Case(t) for t in (
    "ReLU()", "ReLU(inplace=True)", "ReLU6()", "LeakyReLU(0.2)", "ELU(0.5)", "SELU()", "CELU(0.7)", "GELU()", "GELU('tanh')", "SiLU()", "Mish()",
    "Softplus()", "Softplus(2.0, 3.0)", "Softsign()", "Tanh()", "Tanhshrink()", "Sigmoid()", "LogSigmoid()", "Hardtanh()", "Hardtanh(-0.3, 0.5)",
    "Hardsigmoid()", "Hardswish()", "Hardshrink()", "Hardshrink(0.2)", "Softshrink()", "Softshrink(0.2)", "Threshold(0.1, 3.0)", "GLU()", "GLU(2)",
    "Softmax(1)", "Softmin(1)", "LogSoftmax(-1)", "PReLU()", "PReLU(3)", "PReLU(3, 0.1)")] + [
    Case("RReLU()", train=False), Case("Softmax2d()", (IMAGE,)), Case("Softmax2d()", (IMAGE[1:],))]  # fmt: skip
CONV = ["", "stride=2", "padding=1", "dilation=2, bias=False", "groups=2, padding=1", "padding='same'", "padding=1, padding_mode='circular'"]
TRANSPOSED = ["", "stride=2, padding=1, output_padding=1", "groups=2, bias=False", "dilation=2"]
CONVOLUTIONS = [
    *(Case(f"Conv{n}d(4, 6, {k}{', ' if o else ''}{o})", (s,)) for n, k, s in ((1, 3, SEQUENCE), (2, 3, IMAGE), (3, 2, VOLUME)) for o in CONV),
    *(Case(f"ConvTranspose{n}d(4, 6, 3{', ' if o else ''}{o})", (s,)) for n, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)) for o in TRANSPOSED),
    Case("ConvTranspose2d(4, 2, 3, stride=2)", (IMAGE,), options=(("output_size", (14, 11)),)), Case("Conv3d(4, 2, 2)", (VOLUME[1:],)),
    Case("ConvTranspose1d(4, 2, (3,))", (SEQUENCE[1:],)), Case("Linear(4, 3)"), Case("Linear(4, 3, bias=False)"), Case("Bilinear(3, 4, 5)", ((2, 3), (2, 4))),
    Case("Bilinear(3, 4, 5, bias=False)", ((2, 6, 3), (2, 6, 4))), Case("Identity(3, x=2)"), Case("Flatten()"), Case("Flatten(0, 1)"),
    Case("Unflatten(1, (3, 1))"), Case("Unflatten(2, (2, -1))"), Case("Fold((4, 5), 2)", ((2, 12, 12),)), Case("Unfold(2, padding=1)", (IMAGE,)),
]  # fmt: skip
NORMS = [
    *(Case(f"BatchNorm{n}d(4{o})", (s,), train) for n, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)) for o in ("", ", affine=False", ", 0.1, None")
      for train in (True, False)),
    *(Case(f"InstanceNorm{n}d(4{o})", (s,), train) for n, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)) for o in (
        "", ", affine=True", ", track_running_stats=True, momentum=0.3", ", affine=True, bias=False") for train in (True, False)),
    Case("InstanceNorm2d(4, affine=True)", (IMAGE[1:],)), Case("GroupNorm(2, 4)", (IMAGE,)), Case("GroupNorm(4, 4, affine=False)", (IMAGE,)),
    Case("GroupNorm(1, 4, 0.1, bias=False)", ((3, 4),)), Case("LayerNorm(4)"), Case("LayerNorm((3, 4), bias=False)"), Case("RMSNorm(4)"),
    Case("RMSNorm((3, 4), 0.1)"), Case("RMSNorm([4], elementwise_affine=False)"), Case("LocalResponseNorm(3)", (IMAGE,)),
    Case("LocalResponseNorm(2, 0.1, 0.5, 2.0)", (IMAGE,)),
]  # fmt: skip
POOLS = [
    *(Case(f"{p}{n}d({o})", (s,)) for n, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)) for p, o in (
        ("MaxPool", "2"), ("MaxPool", "3, 2, 1"), ("MaxPool", "2, ceil_mode=True"), ("MaxPool", "2, return_indices=True"), ("AvgPool", "2"),
        ("AvgPool", "3, 2, 1, count_include_pad=False"), ("AdaptiveAvgPool", "3"), ("AdaptiveMaxPool", "3"), ("AdaptiveMaxPool", "2, True"))),
    *(Case(f"LPPool{n}d(2, 2)", (lambda T, s=s: T.tensor(np.abs(wave(s)) + 0.1),)) for n, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))),
    Case("AdaptiveAvgPool2d((None, 2))", (IMAGE,)), Case("AvgPool2d(2, divisor_override=3)", (IMAGE,)),
    *(Case(f"MaxUnpool{n}d(2)", ((1, 1, *(2,) * n), lambda T, n=n: T.tensor(np.arange(2**n).reshape(1, 1, *(2,) * n) * 2))) for n in (1, 2)),
    Case("MaxUnpool2d(2, 2)", ((1, 1, 2, 2), lambda T: T.tensor([[[[0, 3], [10, 12]]]])), options=(("output_size", (5, 4)),)),
    Case("FractionalMaxPool2d(2, output_size=3, _random_samples=T.full((2, 4, 2), 0.4, dtype=T.float64))", (IMAGE,)),
]  # fmt: skip
SHAPING = [
    *(Case(f"{p}{n}d({o})", (s,)) for n, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)) for p, o in (
        ("ZeroPad", "1"), ("ReflectionPad", "1"), ("ReplicationPad", "2"), ("CircularPad", "1"), ("ConstantPad", "1, 2.5"))),
    Case("ReflectionPad2d((1, 2, 0, 3))", (IMAGE,)), Case("ConstantPad2d((-1, 2, 0, 1), 0.5)", (IMAGE,)), Case("Upsample(scale_factor=2)", (IMAGE,)),
    Case("Upsample(size=(3, 9), mode='bilinear')", (IMAGE,)), Case("Upsample(scale_factor=(2, 1.5), mode='bicubic', align_corners=True)", (IMAGE,)),
    Case("UpsamplingNearest2d(scale_factor=2)", (IMAGE,)), Case("UpsamplingBilinear2d(size=7)", (IMAGE,)), Case("PixelShuffle(2)", (IMAGE,)),
    Case("PixelUnshuffle(2)", ((2, 3, 4, 6),)), Case("ChannelShuffle(2)", (IMAGE,)), *(Case(f"{d}(0.4)", (IMAGE,), train=False) for d in (
        "Dropout", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout")), Case("Dropout1d()", (SEQUENCE,), train=False), Case("Dropout3d()", (VOLUME,), train=False),
]  # fmt: skip
REDUCED = ["", "reduction='sum'", "reduction='none'"]
LOSSES = [
    *(Case(f"{n}({r})", i) for r in REDUCED for n, i in (
        ("MSELoss", X23), ("L1Loss", X23), ("SmoothL1Loss", X23), ("HuberLoss", X23), ("BCEWithLogitsLoss", ((3, 4), unit((3, 4)))),
        ("BCELoss", (unit((3, 4)), unit((3, 4)))), ("NLLLoss", ((3, 4), ints((3,), 4))), ("CrossEntropyLoss", ((3, 4), ints((3,), 4))),
        ("KLDivLoss", ((3, 4), unit((3, 4)))), ("CosineEmbeddingLoss", ((3, 4), (3, 4), signs((3,)))), ("HingeEmbeddingLoss", ((3, 4), signs((3, 4)))),
        ("MarginRankingLoss", ((3, 4), (3, 4), signs((3, 4)))), ("MultiLabelMarginLoss", ((3, 4), lambda T: ints((3, 4), 5)(T) - 1)),
        ("MultiLabelSoftMarginLoss", ((3, 4), unit((3, 4)))), ("MultiMarginLoss", ((3, 4), ints((3,), 4))), ("PoissonNLLLoss", ((3, 4), unit((3, 4)))),
        ("SoftMarginLoss", ((3, 4), signs((3, 4)))), ("TripletMarginLoss", ((3, 4),) * 3), ("TripletMarginWithDistanceLoss", ((3, 4),) * 3),
        ("GaussianNLLLoss", ((3, 4), (3, 4), unit((3, 4)))))),
    Case("CTCLoss()", (lambda T: T.nn.functional.log_softmax(T.tensor(wave((6, 2, 4))), 2), lambda T: T.tensor([[1, 2], [3, 1]]), lambda T: (6, 5), lambda T: (2, 1))),
    Case("MultiMarginLoss(2, 0.5, T.tensor([0.2, 0.4, 0.6, 0.8], dtype=T.float64))", ((3, 4), ints((3,), 4))), Case("MSELoss(size_average=False)", X23),
    Case("L1Loss(reduce=False)", X23), Case("CosineSimilarity()", X23), Case("CosineSimilarity(0, 0.5)", X23), Case("PairwiseDistance(1.0, keepdim=True)", X23),
    Case("NLLLoss(T.tensor([0.2, 0.4, 0.6, 0.8], dtype=T.float64), ignore_index=1)", ((3, 4), ints((3,), 4))),
    Case("AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], 2.0)", ((5, 8), ints((5,), 10))), Case("LinearCrossEntropyLoss(4, 5, bias=True)", ((3, 4), ints((3,), 5))),
]  # fmt: skip
RECURRENT = [
    *(Case(f"{n}(3, 4{o})", ((5, 2, 3),)) for n in ("RNN", "LSTM", "GRU") for o in (
        "", ", 2", ", bidirectional=True", ", 2, bias=False, bidirectional=True", ", batch_first=True", ", 3, batch_first=True, bidirectional=True")),
    Case("RNN(3, 4, nonlinearity='relu')", ((5, 2, 3),)), Case("LSTM(3, 4, proj_size=2)", ((5, 2, 3),)), Case("LSTM(3, 4, 2, bidirectional=True, proj_size=2)", ((5, 2, 3),)),
    *(Case(f"{n}(3, 4, 2)", ((5, 3),)) for n in ("RNN", "LSTM", "GRU")), *(Case(f"{n}(3, 4)", ((5, 2, 3), (1, 2, 4))) for n in ("RNN", "GRU")),
    *(Case(f"{n}(3, 4, 2, dropout=0.5)", ((5, 2, 3),), train=False) for n in ("RNN", "LSTM", "GRU")),
    Case("LSTM(3, 4)", ((5, 2, 3), lambda T: (T.tensor(wave((1, 2, 4))), T.tensor(wave((1, 2, 4), 0.3))))),
    *(Case(f"{n}Cell(3, 4{o})", ((2, 3),)) for n in ("RNN", "LSTM", "GRU") for o in ("", ", bias=False")), Case("RNNCell(3, 4, nonlinearity='relu')", ((2, 3), (2, 4))),
    Case("GRUCell(3, 4)", ((3,), (4,))), Case("LSTMCell(3, 4)", ((2, 3), lambda T: (T.tensor(wave((2, 4))), T.tensor(wave((2, 4), 0.3))))),
]  # fmt: skip
QKV = ((5, 2, 6), (4, 2, 6), (4, 2, 6))


def blocked(shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """A mask with some True, never a whole row."""
    return lambda T: T.tensor(np.triu(np.ones(shape, bool), 1) if len(shape) == 2 and shape[0] == shape[1] else np.arange(np.prod(shape)).reshape(shape) % 4 == 1)


CAUSAL = (("attn_mask", blocked((5, 5))),)
ATTENTION = [
    Case("MultiheadAttention(6, 2)", QKV), Case("MultiheadAttention(6, 3, bias=False)", QKV), Case("MultiheadAttention(6, 2, add_bias_kv=True)", QKV),
    Case("MultiheadAttention(6, 2, add_zero_attn=True, batch_first=True)", ((2, 5, 6), (2, 4, 6), (2, 4, 6))), Case("MultiheadAttention(6, 2)", ((5, 6), (4, 6), (4, 6))),
    Case("MultiheadAttention(6, 2, kdim=3, vdim=4)", ((5, 2, 6), (4, 2, 3), (4, 2, 4))), Case("MultiheadAttention(6, 2)", QKV, options=(("need_weights", False),)),
    Case("MultiheadAttention(6, 2)", QKV, options=(("average_attn_weights", False), ("key_padding_mask", blocked((2, 4))))),
    Case("MultiheadAttention(6, 2, add_bias_kv=True, add_zero_attn=True)", QKV, options=(("key_padding_mask", blocked((2, 4))), ("attn_mask", blocked((5, 4))))),
    Case("MultiheadAttention(6, 2)", ((5, 2, 6),) * 3, options=CAUSAL), Case("MultiheadAttention(6, 2)", ((5, 2, 6),) * 3, options=(*CAUSAL, ("need_weights", False), ("is_causal", True))),
    *(Case(f"TransformerEncoderLayer(6, 2, 8, 0.0{o})", ((5, 2, 6),)) for o in ("", ", 'gelu'", ", norm_first=True", ", bias=False, batch_first=True")),
    Case("TransformerEncoderLayer(6, 2, 8)", ((5, 2, 6),), train=False, options=(("src_mask", blocked((5, 5))), ("src_key_padding_mask", blocked((2, 5))))),
    *(Case(f"TransformerDecoderLayer(6, 2, 8, 0.0{o})", ((5, 2, 6), (4, 2, 6))) for o in ("", ", norm_first=True")),
    Case("TransformerDecoderLayer(6, 2, 8, 0.0)", ((5, 2, 6), (4, 2, 6)), options=(("tgt_mask", blocked((5, 5))), ("memory_mask", blocked((5, 4))))),
    Case("TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.0), 2)", ((5, 2, 6),)),
    Case("TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.0), 2, nn.LayerNorm(6))", ((5, 2, 6),), options=(("mask", blocked((5, 5))), ("is_causal", True))),
    Case("TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 8, 0.0), 2, nn.LayerNorm(6))", ((5, 2, 6), (4, 2, 6))),
    Case("Transformer(6, 2, 1, 2, 8, 0.0)", ((4, 2, 6), (5, 2, 6)), options=(("tgt_mask", lambda T: T.nn.Transformer.generate_square_subsequent_mask(5, dtype=T.float64)),)),
    Case("Transformer(6, 2, 1, 1, 8, 0.0, batch_first=True, norm_first=True)", ((2, 4, 6), (2, 5, 6))),
]  # fmt: skip
EMBEDDINGS = [
    Case("Embedding(5, 3)", (ints((2, 4), 5),)), Case("Embedding(5, 3, padding_idx=1)", (ints((2, 4), 5),)), Case("Embedding(5, 3, max_norm=0.5)", (ints((2, 4), 5),)),
    *(Case(f"EmbeddingBag(5, 3, mode='{m}')", (ints((2, 4), 5),)) for m in ("sum", "mean", "max")), Case("EmbeddingBag(5, 3, padding_idx=2)", (ints((2, 4), 5),)),
    Case("EmbeddingBag(5, 3, max_norm=0.4, mode='sum', include_last_offset=True)", (ints((6,), 5), lambda T: T.tensor([0, 2, 6]))),
    Case("EmbeddingBag(5, 3, mode='sum')", (ints((6,), 5), lambda T: T.tensor([0, 2]), (6,))),
]  # fmt: skip
LAZY = [
    Case("LazyLinear(3)"), Case("LazyLinear(3, bias=False)"), *(Case(f"LazyConv{n}d(2, 3{o})", (s,)) for n, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)) for o in ("", ", 2, padding=1")),
    *(Case(f"{k}{n}d({o})", (s,)) for n, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)) for k, o in (
        ("LazyConvTranspose", "2, 3"), ("LazyBatchNorm", ""), ("LazyInstanceNorm", ""), ("LazyBatchNorm", "affine=False"))),
]  # fmt: skip
CASES = [*ACTIVATIONS, *CONVOLUTIONS, *NORMS, *POOLS, *SHAPING, *LOSSES, *RECURRENT, *ATTENTION, *EMBEDDINGS, *LAZY]


def made(T: Any, case: Case) -> Any:
    m = eval(f"nn.{case.text}", {"nn": T.nn, "T": T}).double()
    return m if case.train else m.eval()


def inputs(T: Any, case: Case) -> list[Any]:
    given = [x(T) if callable(x) else T.tensor(wave(x, 1.3 + i), requires_grad=True) for i, x in enumerate(case.inputs)]
    for i, x in enumerate(given):
        if callable(case.inputs[i]) and isinstance(x, T.Tensor) and x.is_floating_point():
            given[i] = x.detach()
    return given


def flat(y: Any) -> list[Any]:
    if isinstance(y, tuple | list):
        return [x for part in y for x in flat(part)]
    return [] if y is None else [y]


def fill(T: Any, m: Any) -> None:
    with T.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(T.tensor(wave(tuple(p.shape), 0.7 + i) * 0.4))


def run(T: Any, m: Any, case: Case) -> dict[str, Any]:
    given = inputs(T, case)
    options = {k: v(T) if callable(v) else v for k, v in case.options}
    ys = flat(m(*[x * 1 if isinstance(x, T.Tensor) and x.requires_grad else x for x in given], **options))
    total = sum((y * y * y + y).sum() for y in ys if y.is_floating_point())
    wrt = [x for x in given if isinstance(x, T.Tensor) and x.requires_grad] + [p for p in m.parameters() if p.requires_grad]
    grads = T.autograd.grad(total, wrt, allow_unused=True) if wrt and total.requires_grad else []
    arrays = [*ys, *[T.zeros_like(x) if g is None else g for g, x in zip(grads, wrt, strict=True)], *m.state_dict().values()]
    return {"text": repr(m), "names": list(m.state_dict()), "shapes": [tuple(x.shape) for x in arrays],
            "arrays": [np.asarray(x.detach().numpy()) for x in arrays]}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c.text[:60]}" for i, c in enumerate(CASES)])
def test_module(case: Case) -> None:
    theirs, ours = made(torch, case), made(fgrad, case)
    assert repr(ours) == repr(theirs)
    if "Lazy" in case.text:
        with torch.no_grad():
            theirs(*inputs(torch, case))
            ours(*inputs(fgrad, case))
    fill(torch, theirs)
    found = ours.load_state_dict({k: fgrad.tensor(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    assert (found.missing_keys, found.unexpected_keys) == ([], [])
    wanted, got = run(torch, theirs, case), run(fgrad, ours, case)
    assert got["text"] == wanted["text"]
    assert got["names"] == wanted["names"]
    assert got["shapes"] == wanted["shapes"]
    for a, b in zip(got["arrays"], wanted["arrays"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


CLASSES = [
    n for n in dir(torch.nn)
    if inspect.isclass(getattr(torch.nn, n)) and issubclass(getattr(torch.nn, n), torch.nn.Module) and n not in ("Container", "DataParallel")
]  # fmt: skip


def test_every_module_of_torch_is_there() -> None:
    assert [n for n in CLASSES if not hasattr(fgrad.nn, n)] == []


@pytest.mark.parametrize("case", [c for c in CASES if "T." not in c.text], ids=lambda c: c.text[:50])
def test_copies_start_alike(case: Case) -> None:
    """deepcopy keeps numbers and text; parameters start with PyTorch's spread."""
    ours = eval(f"nn.{case.text}", {"nn": fgrad.nn})
    assert repr(copy.deepcopy(ours)) == repr(ours)
    if "Lazy" in case.text:
        return
    theirs = eval(f"nn.{case.text}", {"nn": torch.nn})
    for (name, p), (other, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == other
        assert str(p.dtype).split(".")[-1] == str(q.dtype).split(".")[-1]
        if p.numel() > 30:
            np.testing.assert_allclose(float(p.detach().std()), float(q.detach().std()), rtol=0.5, atol=1e-6)
