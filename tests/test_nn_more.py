"""What the table of Modules does not say: packed sequences, draws, transforms, Layers with a key, lazy and buffer parameters, refusals."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import nn
from fgrad.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]
SIDES = (torch, fgrad)


def wave(*shape: int) -> np.ndarray:
    return np.sin(np.arange(int(np.prod(shape))) * 1.3).reshape(shape)


def alike(a: Any, b: Any, tol: float = 1e-8) -> None:
    np.testing.assert_allclose(np.asarray(a.detach().numpy()), b.detach().numpy(), rtol=tol, atol=tol)


# sequences of different lengths ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("lengths", "ordered"), [([4, 3, 1], True), ([2, 4, 3], False)])
def test_packing_and_padding(batch_first: bool, lengths: list[int], ordered: bool) -> None:
    shape = (3, 4, 2) if batch_first else (4, 3, 2)
    found = []
    for T in SIDES:
        r = T.nn.utils.rnn
        p = r.pack_padded_sequence(T.tensor(wave(*shape)), T.tensor(lengths), batch_first, ordered)
        y, n = r.pad_packed_sequence(p, batch_first, -1.0, 6)
        found.append([p.data, p.batch_sizes, y, n, *r.unpack_sequence(p)])
        assert (p.sorted_indices is None) == ordered
    for a, b in zip(found[1], found[0], strict=True):
        alike(a, b)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_of_lists(side: str) -> None:
    found = []
    for T in SIDES:
        r, xs = T.nn.utils.rnn, [T.tensor(wave(n, 2)) for n in (3, 1, 2)]
        padded = r.pad_sequence(xs, True, 0.5, side)
        found.append([padded, r.pad_sequence(xs), r.pack_sequence(xs, False).data, *r.unpad_sequence(padded, T.tensor([3, 1, 2]), True)])
    for a, b in zip(found[1], found[0], strict=True):
        alike(a, b)


@pytest.mark.parametrize("text", ["RNN(2, 3)", "LSTM(2, 3, 2, bidirectional=True)", "GRU(2, 3, 2, batch_first=True)", "LSTM(2, 3, bidirectional=True, proj_size=2)"])
@pytest.mark.parametrize("ordered", [True, False])
def test_recurrent_networks_over_packed_sequences(text: str, ordered: bool) -> None:
    theirs = eval(f"torch.nn.{text}").double()
    ours = eval(f"nn.{text}").double()
    ours.load_state_dict({k: fgrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    lengths = [4, 3, 1] if ordered else [2, 4, 3]
    found = []
    for T, m in ((torch, theirs), (fgrad, ours)):
        x = T.tensor(wave(4, 3, 2), requires_grad=True)
        first = T.tensor(wave(sum(1 for n, _ in m.named_parameters() if "weight_hh" in n), 3, 2 if m.proj_size else 3))
        hx = (first, T.tensor(wave(first.shape[0], 3, 3))) if "LSTM" in text else first
        y, last = m(T.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=ordered), hx)
        states = list(last) if isinstance(last, tuple) else [last]
        (sum((h * h).sum() for h in states) + (y.data * y.data).sum()).backward()
        found.append([y.data, *states, x.grad, *(p.grad for p in m.parameters())])
    for a, b in zip(found[1], found[0], strict=True):
        alike(a, b)


REFUSED = [
    lambda T: T.nn.LSTM(2, 3)(T.ones(4, 1, 5)), lambda T: T.nn.LSTM(2, 3)(T.ones(2, 4, 1, 2)), lambda T: T.nn.GRU(2, 3)(T.ones(4, 1, 2), T.ones(1, 2, 3)),
    lambda T: T.nn.RNN(2, 3, nonlinearity="gelu"), lambda T: T.nn.LSTM(2, 3, dropout=2.0), lambda T: T.nn.LSTM(2, 0), lambda T: T.nn.LSTM(2, 3, proj_size=3),
    lambda T: T.nn.LSTM(2, 3)(T.ones(4, 1, 2, dtype=T.float64)), lambda T: T.nn.LSTMCell(2, 3)(T.ones(4, 5)), lambda T: T.nn.GRUCell(2, 3)(T.ones(1, 4, 2)),
    lambda T: T.nn.GroupNorm(3, 4), lambda T: T.nn.ConvTranspose2d(2, 2, 3, padding_mode="reflect"), lambda T: T.nn.InstanceNorm2d(3)(T.ones(2, 3)),
    lambda T: T.nn.ConvTranspose1d(1, 1, 3, 2)(T.ones(1, 1, 4), output_size=(20,)), lambda T: T.nn.MultiheadAttention(4, 0),
    lambda T: T.nn.functional.pad(T.ones(3), (1,)), lambda T: T.nn.functional.pad(T.ones(1, 1, 3), (3, 0), "reflect"),
    lambda T: T.nn.functional.interpolate(T.ones(1, 1, 3)), lambda T: T.nn.functional.interpolate(T.ones(1, 1, 3), 2, 2.0),
    lambda T: T.nn.functional.interpolate(T.ones(1, 1, 3), 2, align_corners=True), lambda T: T.nn.functional.glu(T.ones(3)),
    lambda T: T.nn.functional.scaled_dot_product_attention(T.ones(2, 3), T.ones(2, 4), T.ones(2, 4)), lambda T: T.nn.functional.max_unpool2d(
        T.ones(1, 1, 1, 1), T.tensor([[[[9]]]]), 2), lambda T: T.nn.functional.multi_margin_loss(T.ones(2, 3), T.tensor([0, 1]), p=3),
    lambda T: T.nn.functional.embedding_bag(T.tensor([1]), T.ones(2, 2)), lambda T: T.nn.functional.triplet_margin_loss(T.ones(2, 2), T.ones(2, 2), T.ones(2, 2), -1.0),
    lambda T: T.nn.Transformer(4, 2, 1, 1, 4)(T.ones(2, 3, 4), T.ones(2, 2, 4)), lambda T: T.nn.FractionalMaxPool2d(2), lambda T: T.nn.functional.fold(T.ones(1, 3, 4), 3, 2),
    lambda T: T.nn.utils.rnn.pack_padded_sequence(T.ones(3, 2, 1), [1, 3]), lambda T: T.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]),
]  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_refusals(wrong: Any) -> None:
    with pytest.raises((RuntimeError, ValueError, AssertionError, NotImplementedError)) as theirs:
        wrong(torch)
    with pytest.raises(theirs.type if theirs.type in (ValueError, AssertionError, NotImplementedError) else RuntimeError):
        wrong(fgrad)


# draws ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_dropouts_in_training(make: Any) -> None:
    fgrad.manual_seed(0)
    whole = make not in (nn.Dropout, nn.AlphaDropout)
    x = fgrad.ones(40, 50, *{nn.Dropout1d: (6,), nn.Dropout3d: (3, 2, 1)}.get(make, (2, 3)))
    y = make(0.3)(x).numpy()
    dropped = y != y.max()
    assert abs(dropped.mean() - 0.3) < 0.03
    assert (dropped.reshape(40, 50, -1).std(2) == 0).all() == whole
    assert (make(0.3).eval()(x).numpy() == 1).all()
    if "Alpha" in make.__name__:
        z = make(0.3)(fgrad.randn(100, 1000, 1)).numpy()
        assert abs(z.mean()) < 0.02
        assert abs(z.std() - 1) < 0.02
    else:
        np.testing.assert_allclose(y.max(), 1 / 0.7, rtol=1e-6)


def test_other_draws() -> None:
    fgrad.manual_seed(0)
    x = -fgrad.ones(10000)
    y = F.rrelu(x, 0.1, 0.3, training=True).numpy()
    assert -0.3 <= y.min() < -0.29
    assert -0.11 < y.max() <= -0.1
    hard = F.gumbel_softmax(fgrad.tensor([[0.0, 2.0]] * 4000), hard=True).numpy()
    assert set(np.unique(hard)) == {0.0, 1.0}
    assert abs(hard[:, 1].mean() - 1 / (1 + np.exp(-2))) < 0.02
    soft = F.gumbel_softmax(fgrad.zeros(5, 3), tau=0.5).numpy()
    np.testing.assert_allclose(soft.sum(1), 1, rtol=1e-5)
    q = fgrad.ones(2, 3, 4)
    kept = F.scaled_dot_product_attention(q, q, fgrad.ones(2, 3, 1), dropout_p=0.5).numpy()
    assert len(np.unique(np.round(kept, 5))) > 1
    m = nn.LSTM(3, 4, 2, dropout=0.5)
    assert m(fgrad.ones(5, 2, 3))[0].tolist() != m(fgrad.ones(5, 2, 3))[0].tolist()
    pool = nn.FractionalMaxPool2d(2, output_ratio=0.5)
    assert pool(fgrad.randn(1, 2, 8, 8)).shape == (1, 2, 4, 4)


def test_a_row_that_nothing_attends_to_gives_zeros() -> None:
    for T in SIDES:
        mask = T.tensor([[True, False], [False, False]])
        y = T.nn.functional.scaled_dot_product_attention(T.ones(2, 3), T.ones(2, 3), T.ones(2, 1), mask)
        assert y.tolist() == [[1.0], [0.0]]


# transforms -----------------------------------------------------------------------------------------------------------
MODELS = [
    ("LSTM(3, 4, 2, bidirectional=True)", (5, 2, 3)), ("GRU(3, 4)", (5, 2, 3)), ("TransformerEncoderLayer(4, 2, 8, 0.0)", (5, 2, 4)), ("GroupNorm(2, 4)", (2, 4, 5)),
    ("ConvTranspose2d(2, 3, 3, 2)", (1, 2, 4, 4)), ("Upsample(scale_factor=2, mode='bilinear')", (1, 2, 3, 3)), ("AdaptiveMaxPool2d(3)", (1, 2, 5, 4)),
    ("ReflectionPad2d(1)", (1, 2, 3, 3)), ("InstanceNorm1d(4, affine=True)", (2, 4, 5)), ("PReLU()", (2, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shape"), MODELS)
def test_jit_grad_and_vmap(text: str, shape: tuple[int, ...]) -> None:
    m = eval(f"nn.{text}")

    def f(x: Any) -> Any:
        y = m(x)
        return (y[0] if isinstance(y, tuple) else y).sin()

    xs = fgrad.tensor(wave(3, *shape).astype("float32"))
    plain = np.stack([f(x).detach().numpy() for x in xs])
    np.testing.assert_allclose(fgrad.jit(f)(xs[0]).detach().numpy(), plain[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(fgrad.vmap(f)(xs).detach().numpy(), plain, rtol=1e-5, atol=1e-5)
    slope = fgrad.grad(lambda x: f(x).sum())(xs[0])
    x = xs[0].clone().requires_grad_()
    f(x).sum().backward()
    np.testing.assert_allclose(slope.detach().numpy(), x.grad.numpy(), rtol=1e-4, atol=1e-5)


LAYERS = [
    ("conv3d(2, 3, 2)", (1, 2, 3, 3, 3)), ("conv_transpose1d(2, 3, 2)", (1, 2, 3)), ("conv_transpose2d(2, 3, 2)", (1, 2, 3, 3)), ("batch_norm3d(2)", (1, 2, 3, 3, 3)),
    ("group_norm(2, 4)", (2, 4)), ("rms_norm(4)", (2, 4)), ("instance_norm1d(4)", (2, 4, 3)), ("prelu()", (2, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shape"), LAYERS)
def test_layers_are_pure_functions(text: str, shape: tuple[int, ...]) -> None:
    layer = eval(f"nn.{text}")
    params, state = layer.init(fgrad.random.key(0))
    x = fgrad.numpy.asarray(wave(*shape).astype("float32"))
    y, after = layer.apply(params, state, x, train=True)
    assert not isinstance(y, fgrad.Tensor)
    assert after.keys() == state.keys()
    g = fgrad.grad(lambda p: (layer.apply(p, state, x, train=True)[0] ** 2).sum())(params)
    assert g.keys() == params.keys()


def test_a_recurrent_layer_with_a_key_drops_out_alike() -> None:
    layer = nn.lstm(3, 4, 2, dropout=0.5)
    params, state = layer.init(fgrad.random.key(0))
    x = fgrad.numpy.ones((5, 2, 3))
    ys = [np.asarray(layer.apply(params, state, x, train=True, key=fgrad.random.key(k))[0][0]) for k in (1, 1, 2)]
    np.testing.assert_array_equal(ys[0], ys[1])
    assert (ys[0] != ys[2]).any()


# parameters -----------------------------------------------------------------------------------------------------------
def test_lazy_modules_keep_their_parameters() -> None:
    for T in SIDES:
        m = T.nn.Sequential(T.nn.LazyLinear(4), T.nn.LazyBatchNorm1d())
        held = list(m.parameters())
        assert isinstance(m[0].weight, T.nn.UninitializedParameter)
        assert m[0].has_uninitialized_params()
        with pytest.raises(RuntimeError, match="uninitialized"):
            _ = m[0].weight.shape
        m(T.ones(2, 3))
        assert held[0] is m[0].weight
        assert type(m[0].weight) is T.nn.Parameter
        assert (type(m[0]), type(m[1])) == (T.nn.Linear, T.nn.BatchNorm1d)
        assert m[0].in_features == 3
        fresh = T.nn.LazyLinear(4)
        fresh.load_state_dict(m[0].state_dict())
        assert tuple(fresh.weight.shape) == (4, 3)
        np.testing.assert_allclose(fresh(T.ones(2, 3)).detach().numpy(), m[0](T.ones(2, 3)).detach().numpy(), rtol=1e-6)


def test_buffers() -> None:
    for T in SIDES:
        m = T.nn.Module()
        m.a, m.b = T.nn.Buffer(T.ones(2)), T.nn.Buffer(T.zeros(1), persistent=False)
        assert [n for n, _ in m.named_buffers()] == ["a", "b"]
        assert list(m.state_dict()) == ["a"]


def test_batch_normalisations_become_synchronised_ones() -> None:
    for T in SIDES:
        m = T.nn.Sequential(T.nn.Conv1d(1, 2, 1), T.nn.Sequential(T.nn.BatchNorm1d(2, momentum=0.3)))
        weight = m[1][0].weight
        new = T.nn.SyncBatchNorm.convert_sync_batchnorm(m)
        assert type(new[1][0]) is T.nn.SyncBatchNorm
        assert new[1][0].weight is weight
        assert new[1][0].momentum == 0.3
        assert list(new.state_dict())[2:4] == ["1.0.weight", "1.0.bias"]


@pytest.mark.parametrize("text", ["LSTM(2, 3)", "MultiheadAttention(4, 2)", "TransformerDecoderLayer(4, 2, 8)", "ConvTranspose2d(2, 2, 3)", "GroupNorm(2, 4)"])
def test_pickles(text: str) -> None:
    m = eval(f"nn.{text}")
    again = pickle.loads(pickle.dumps(m))
    assert repr(again) == repr(m)
    for (name, a), (other, b) in zip(m.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_attributes_of_recurrent_networks() -> None:
    for T in SIDES:
        m = T.nn.LSTM(3, 4, 2, bidirectional=True)
        assert (m.mode, m.bias, m.batch_first, m.hidden_size) == ("LSTM", True, False, 4)
        assert [len(w) for w in m.all_weights] == [4] * 4
        assert T.nn.RNN(3, 4, nonlinearity="relu").mode == "RNN_RELU"
        m.flatten_parameters()
        assert all(abs(float(p.detach().max())) <= 0.5 for p in m.parameters())


def test_adaptive_softmax_predicts_and_sums_to_one() -> None:
    theirs, ours = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], 2.0).double(), nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], 2.0).double()
    ours.load_state_dict({k: fgrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = wave(20, 8) * 3
    alike(ours.log_prob(fgrad.tensor(x)), theirs.log_prob(torch.tensor(x)))
    assert ours.predict(fgrad.tensor(x)).tolist() == theirs.predict(torch.tensor(x)).tolist()
    np.testing.assert_allclose(np.exp(ours.log_prob(fgrad.tensor(x)).detach().numpy()).sum(1), 1, rtol=1e-9)


def test_gradients_of_convolutions_by_name() -> None:
    for n in (1, 2, 3):
        shapes = ((2, 4, *(6,) * n), (6, 2, *(3,) * n))
        found = []
        for T in SIDES:
            x, w = (T.tensor(wave(*s)) for s in shapes)
            y = getattr(T.nn.functional, f"conv{n}d")(x, w, stride=2, padding=1, groups=2)
            more = {"stride": 2, "padding": 1, "groups": 2}
            found.append([getattr(T.nn.grad, f"conv{n}d_input")(shapes[0], w, y, **more), getattr(T.nn.grad, f"conv{n}d_weight")(x, shapes[1], y, **more)])
        for a, b in zip(found[1], found[0], strict=True):
            alike(a, b)


def test_old_names_of_bounds_and_constructors_of_lazy_modules() -> None:
    import inspect

    for T in SIDES:
        m = T.nn.Hardtanh(min_value=-2.0, max_value=3.0)
        assert repr(m) == "Hardtanh(min_val=-2.0, max_val=3.0)"
        with pytest.raises(AssertionError):
            T.nn.Hardtanh(1.0, 0.0)
    for name in ("LazyLinear", "LazyConv2d", "LazyInstanceNorm1d"):
        own = [p for p in inspect.signature(getattr(nn, name)).parameters if p not in ("device", "dtype")]
        theirs = [p for p in inspect.signature(getattr(torch.nn, name)).parameters if p not in ("device", "dtype")]
        assert own[:4] == theirs[:4]
