"""autocast against PyTorch: the dtype every function answers with, values, gradients, nesting; custom functions; GradScaler."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
warnings.filterwarnings("ignore", message=".*CUDA is not available.*")

CASES: dict[str, Any] = {
    # products: low precision
    "mm": lambda t, f, x, c: t.mm(x, x), "matmul": lambda t, f, x, c: x @ x, "bmm": lambda t, f, x, c: t.bmm(x[None], x[None]),
    "mv": lambda t, f, x, c: t.mv(x, x[0]), "dot": lambda t, f, x, c: t.dot(x[0], x[0]), "outer": lambda t, f, x, c: t.outer(x[0], x[0]),
    "addmm": lambda t, f, x, c: t.addmm(x, x, x), "baddbmm": lambda t, f, x, c: t.baddbmm(x[None], x[None], x[None]),
    "addbmm": lambda t, f, x, c: t.addbmm(x, x[None], x[None]), "addmv": lambda t, f, x, c: t.addmv(x[0], x, x[0]),
    "addr": lambda t, f, x, c: t.addr(x, x[0], x[0]), "einsum": lambda t, f, x, c: t.einsum("ij,jk->ik", x, x),
    "tensordot": lambda t, f, x, c: t.tensordot(x, x, 1), "vecdot": lambda t, f, x, c: t.linalg.vecdot(x, x),
    "prelu": lambda t, f, x, c: f.prelu(x, x[0, :1]), "multi_dot": lambda t, f, x, c: t.linalg.multi_dot([x, x, x]), "linear": lambda t, f, x, c: f.linear(x, x, x[0]),
    "inner": lambda t, f, x, c: t.inner(x, x), "kron": lambda t, f, x, c: t.kron(x, x),
    "bilinear": lambda t, f, x, c: f.bilinear(x, x, x[None]), "conv1d": lambda t, f, x, c: f.conv1d(c[0], c[0, :, :, :2]),
    "conv2d": lambda t, f, x, c: f.conv2d(c, c[:, :, :2, :2], c[0, 0, 0, :1]), "conv3d": lambda t, f, x, c: f.conv3d(c[None], c[None, :, :, :2, :2]),
    "conv_transpose1d": lambda t, f, x, c: f.conv_transpose1d(c[0], c[0].transpose(0, 1)),
    "conv_transpose2d": lambda t, f, x, c: f.conv_transpose2d(c, c.transpose(0, 1)),
    "sdpa": lambda t, f, x, c: f.scaled_dot_product_attention(c, c, c), "matrix_power": lambda t, f, x, c: t.linalg.matrix_power(x, 3),
    # as they come
    "exp": lambda t, f, x, c: t.exp(x), "softmax": lambda t, f, x, c: t.softmax(x, 1), "log_softmax": lambda t, f, x, c: f.log_softmax(x, 1),
    "sum": lambda t, f, x, c: x.sum(), "mean": lambda t, f, x, c: x.mean(), "cumsum": lambda t, f, x, c: x.cumsum(0), "pow": lambda t, f, x, c: x**3,
    "norm": lambda t, f, x, c: x.norm(), "relu": lambda t, f, x, c: f.relu(x), "layer_norm": lambda t, f, x, c: f.layer_norm(x, (4,)),
    "group_norm": lambda t, f, x, c: f.group_norm(c, 1), "batch_norm": lambda t, f, x, c: f.batch_norm(c, None, None, training=True),
    "logsumexp": lambda t, f, x, c: x.logsumexp(0), "softplus": lambda t, f, x, c: f.softplus(x), "max_pool2d": lambda t, f, x, c: f.max_pool2d(c, 2),
    "avg_pool2d": lambda t, f, x, c: f.avg_pool2d(c, 2), "add": lambda t, f, x, c: x + x, "atan2": lambda t, f, x, c: t.atan2(x, x),
    "cosine_similarity": lambda t, f, x, c: f.cosine_similarity(x, x), "std": lambda t, f, x, c: x.std(), "var": lambda t, f, x, c: x.var(),
    # float32
    "prod": lambda t, f, x, c: x.prod(), "trace": lambda t, f, x, c: x.trace(), "quantile": lambda t, f, x, c: t.quantile(x, 0.5),
    "nanquantile": lambda t, f, x, c: t.nanquantile(x, 0.5), "cdist": lambda t, f, x, c: t.cdist(x, x), "polar": lambda t, f, x, c: t.polar(x, x),
    "stft": lambda t, f, x, c: t.stft(t.cat([x.flatten()] * 2), 8, window=x[0].repeat(2), return_complex=True),
    "view_as_complex": lambda t, f, x, c: t.view_as_complex(x.reshape(8, 2)),
    "cholesky": lambda t, f, x, c: t.linalg.cholesky(t.eye(4, dtype=x.dtype)), "inverse": lambda t, f, x, c: t.inverse(x),
    "solve": lambda t, f, x, c: t.linalg.solve(x, x), "svd": lambda t, f, x, c: t.linalg.svd(x)[0], "svdvals": lambda t, f, x, c: t.linalg.svdvals(x),
    "qr": lambda t, f, x, c: t.linalg.qr(x)[0], "eigh": lambda t, f, x, c: t.linalg.eigh(x)[0], "eigvalsh": lambda t, f, x, c: t.linalg.eigvalsh(x),
    "lstsq": lambda t, f, x, c: t.linalg.lstsq(x, x)[0], "pinv": lambda t, f, x, c: t.pinverse(x), "cond": lambda t, f, x, c: t.linalg.cond(x),
    "matrix_rank": lambda t, f, x, c: t.linalg.matrix_rank(x), "fft": lambda t, f, x, c: t.fft.fft(x), "rfft2": lambda t, f, x, c: t.fft.rfft2(x),
    "avg_pool3d": lambda t, f, x, c: f.avg_pool3d(c, 1), "max_pool3d": lambda t, f, x, c: f.max_pool3d(c, 1),
    "adaptive_avg_pool3d": lambda t, f, x, c: f.adaptive_avg_pool3d(c, 1), "adaptive_max_pool3d": lambda t, f, x, c: f.adaptive_max_pool3d(c, 1),
    "reflect1": lambda t, f, x, c: f.pad(x, (1, 1), mode="reflect"), "reflect2": lambda t, f, x, c: f.pad(c, (1, 1, 1, 1), mode="reflect"),
    "replicate": lambda t, f, x, c: f.pad(c, (1, 1, 1, 1), mode="replicate"), "pad": lambda t, f, x, c: f.pad(c, (1, 1)),
    "circular": lambda t, f, x, c: f.pad(c, (1, 1, 1, 1), mode="circular"),
    "grid_sample": lambda t, f, x, c: f.grid_sample(c, c[:, 0, :, :2, None].expand(1, 4, 2, 2), align_corners=False),
    "mse_loss": lambda t, f, x, c: f.mse_loss(x, x), "l1_loss": lambda t, f, x, c: f.l1_loss(x, x), "huber": lambda t, f, x, c: f.huber_loss(x, x),
    "smooth_l1": lambda t, f, x, c: f.smooth_l1_loss(x, x), "nll_loss": lambda t, f, x, c: f.nll_loss(x, t.arange(4)),
    "cross_entropy": lambda t, f, x, c: f.cross_entropy(x, t.arange(4)), "soft_targets": lambda t, f, x, c: f.cross_entropy(x, x.softmax(1)),
    "kl_div": lambda t, f, x, c: f.kl_div(x, x, reduction="sum"), "bce": lambda t, f, x, c: f.binary_cross_entropy(x.sigmoid(), x.sigmoid()),
    "bce_logits": lambda t, f, x, c: f.binary_cross_entropy_with_logits(x, x.sigmoid()),
    "poisson": lambda t, f, x, c: f.poisson_nll_loss(x, x), "hinge": lambda t, f, x, c: f.hinge_embedding_loss(x, x.sign()),
    "cosine_loss": lambda t, f, x, c: f.cosine_embedding_loss(x, x, x[0].sign()),
    "margin": lambda t, f, x, c: f.margin_ranking_loss(x, x, x.sign()), "soft_margin": lambda t, f, x, c: f.soft_margin_loss(x, x.sign()),
    "triplet": lambda t, f, x, c: f.triplet_margin_loss(x, x, x), "multi_margin": lambda t, f, x, c: f.multi_margin_loss(x, t.arange(4)),
    "multilabel": lambda t, f, x, c: f.multilabel_margin_loss(x, t.arange(16).reshape(4, 4) % 4),
    "ctc": lambda t, f, x, c: f.ctc_loss(x[:, None].log_softmax(2), t.ones(1, 2, dtype=t.int64), t.tensor([4]), t.tensor([2])),
    "stack": lambda t, f, x, c: t.stack([x, x.float()]), "cat": lambda t, f, x, c: t.cat([x, x.float()]),
    "index_copy": lambda t, f, x, c: t.index_copy(x, 0, t.arange(2), x[:2].float()),
}  # fmt: skip

NUMBERS = np.random.default_rng(0).standard_normal((4, 4)).astype("float32") + np.eye(4, dtype="float32") * 3


def answer(t: Any, f: Any, name: str, kind: str) -> tuple[str, Any]:
    """(dtype, values) of a case under autocast, its inputs in dtype `kind`."""
    x = t.tensor(NUMBERS.tolist(), dtype=getattr(t, kind))
    with t.autocast("cpu"):
        out = CASES[name](t, f, x, x[None, None])
    return str(out.dtype).rpartition(".")[2], out.detach().to(t.complex64 if out.is_complex() else t.float32).numpy()


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_every_function_answers_in_the_dtype_pytorch_has(name: str, kind: str) -> None:
    try:
        wanted, values = answer(torch, torch.nn.functional, name, kind)
    except RuntimeError:
        pytest.skip("PyTorch itself refuses these dtypes")
    found, numbers = answer(fgrad, fgrad.nn.functional, name, kind)
    assert found == wanted
    if name not in ("svd", "qr", "eigh"):
        np.testing.assert_allclose(numbers, values, rtol=0.03, atol=0.05)


def network(t: Any) -> Any:
    """The same network of convolutions, norms and attention in either library."""
    nn = t.nn
    torch.manual_seed(0)
    made = torch.nn.Sequential(
        torch.nn.Conv1d(3, 8, 3, padding=1), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(48, 16), torch.nn.LayerNorm(16), torch.nn.GELU(), torch.nn.PReLU(), torch.nn.Linear(16, 4),
    )  # fmt: skip
    if t is torch:
        return made
    own = nn.Sequential(nn.Conv1d(3, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten(), nn.Linear(48, 16), nn.LayerNorm(16),
                        nn.GELU(), nn.PReLU(), nn.Linear(16, 4))  # fmt: skip
    own.load_state_dict({k: t.tensor(v.numpy()) for k, v in made.state_dict().items()})
    return own


def losses(t: Any, device: str = "cpu") -> tuple[list[float], list[Any], set[Any]]:
    """Losses of six steps under autocast with a scaler, the last gradients, dtypes seen."""
    model = network(t)
    optimizer = t.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = t.amp.GradScaler(device, init_scale=256.0, growth_interval=2)
    rng = np.random.default_rng(1)
    x, y = t.tensor(rng.standard_normal((8, 3, 6)).astype("float32")), t.tensor(rng.integers(0, 4, 8))
    found, kinds = [], set()
    for _ in range(6):
        optimizer.zero_grad()
        with t.autocast(device_type=device):
            logits = model(x)
            loss = t.nn.functional.cross_entropy(logits, y)
        kinds |= {str(logits.dtype).rpartition(".")[2], str(loss.dtype).rpartition(".")[2]}
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        t.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        found.append(loss.item())
    assert scaler.get_scale() == 2048.0
    return found, [p.grad.numpy() for p in model.parameters()], kinds


def test_training_follows_pytorch() -> None:
    theirs, ours = losses(torch), losses(fgrad)
    assert ours[2] == theirs[2] == {"bfloat16", "float32"}
    np.testing.assert_allclose(ours[0], theirs[0], rtol=0.02)
    for a, b in zip(ours[1], theirs[1], strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=0.3, atol=0.02)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_nets_run_under_autocast(kind: str) -> None:
    net = getattr(fgrad.nn, kind)(3, 4, 2)
    x = fgrad.randn(5, 2, 3)
    full = net(x)[0]
    with fgrad.autocast("cpu"):
        low = net(x)[0]
    np.testing.assert_allclose(low.detach().float().numpy(), full.detach().numpy(), atol=0.03)
    low.float().sum().backward()
    assert all(p.grad.dtype is fgrad.float32 for p in net.parameters())


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell", "LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("given", ["float32", "bfloat16"])
def test_recurrent_results_have_pytorchs_dtypes_under_autocast(kind: str, given: str) -> None:
    found = []
    for lib in (torch, fgrad):
        lib.manual_seed(0)
        net = getattr(lib.nn, kind)(4, 5)
        net.load_state_dict({k: lib.full(v.shape, 0.1) for k, v in net.state_dict().items()})
        x = lib.linspace(-1, 1, 24).reshape((6, 4) if "Cell" in kind else (3, 2, 4))
        with lib.autocast("cpu", dtype=lib.bfloat16):
            y = net(x.to(getattr(lib, given)))
        y = y[0] if isinstance(y, tuple) else y
        found.append((str(y.dtype).rpartition(".")[2], y.detach().float().numpy()))
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=0.02, atol=0.01)


def test_attention_under_autocast_follows_pytorch() -> None:
    theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    ours = fgrad.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    ours.load_state_dict({k: fgrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(2).standard_normal((2, 5, 8)).astype("float32")
    with torch.autocast("cpu"):
        wanted = theirs(torch.tensor(x))
    with fgrad.autocast("cpu"):
        found = ours(fgrad.tensor(x))
    assert str(found.dtype).rpartition(".")[2] == str(wanted.dtype).rpartition(".")[2]
    np.testing.assert_allclose(found.detach().float().numpy(), wanted.detach().float().numpy(), rtol=0.05, atol=0.05)


def test_regions_nest_and_end() -> None:
    x = fgrad.ones(2, 2)
    with fgrad.autocast("cpu"):
        assert fgrad.is_autocast_enabled("cpu")
        assert fgrad.get_autocast_dtype("cpu") is fgrad.bfloat16
        with fgrad.autocast("cpu", enabled=False):
            assert not fgrad.is_autocast_enabled("cpu")
            assert (x @ x).dtype is fgrad.float32
        with fgrad.autocast("cpu", dtype=fgrad.float16):
            assert (x @ x).dtype is fgrad.float16
        assert (x @ x).dtype is fgrad.bfloat16
    assert (x @ x).dtype is fgrad.float32
    with pytest.raises(KeyError), fgrad.autocast("cpu"):
        raise KeyError
    assert not fgrad.is_autocast_enabled("cpu")

    @fgrad.autocast("cpu")
    def product(a: Any) -> Any:
        return a @ a

    assert product(x).dtype is fgrad.bfloat16
    assert (x @ x).dtype is fgrad.float32
    fgrad.set_autocast_enabled("cpu", True)
    assert (x @ x).dtype is fgrad.bfloat16
    fgrad.set_autocast_cpu_enabled(False)
    assert (x @ x).dtype is fgrad.float32


def test_recordings_know_the_state_they_were_made_in() -> None:
    x = fgrad.ones(2, 2)
    jitted, compiled = fgrad.jit(lambda a: a @ a), fgrad.compile(lambda a: a @ a)
    for f in (jitted, compiled):
        assert f(x).dtype is fgrad.float32
        with fgrad.autocast("cpu"):
            assert f(x).dtype is fgrad.bfloat16
        assert f(x).dtype is fgrad.float32
    one = fgrad.jit(lambda: fgrad.ones(2))
    assert one().dtype is fgrad.float32
    with fgrad.settings(default_dtype="float64"):
        assert one().dtype is fgrad.float64


def test_gradients_are_those_of_the_casts() -> None:
    def run(t: Any) -> Any:
        w = t.tensor(NUMBERS.tolist(), requires_grad=True)
        with t.autocast("cpu"):
            y = t.nn.functional.mse_loss(w @ w, t.zeros(4, 4))
        y.backward()
        return w.grad

    ours, theirs = run(fgrad), run(torch)
    assert ours.dtype is fgrad.float32
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0.02, atol=0.02)
    x = fgrad.tensor(NUMBERS.tolist())
    with fgrad.autocast("cpu"):
        assert fgrad.grad(lambda a: (a @ a).float().sum())(x).dtype is fgrad.float32
        assert fgrad.vmap(lambda a: a @ a)(x[None]).dtype is fgrad.bfloat16


def test_custom_functions_say_what_they_want() -> None:
    seen = []

    class Scaled(fgrad.autograd.Function):
        @staticmethod
        @fgrad.amp.custom_fwd(device_type="cpu", cast_inputs=fgrad.float32)
        def forward(ctx: Any, x: Any) -> Any:
            seen.append((x.dtype, fgrad.is_autocast_enabled("cpu")))
            return x * 2

        @staticmethod
        @fgrad.amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, g: Any) -> Any:
            seen.append((g.dtype, fgrad.is_autocast_enabled("cpu")))
            return g * 2

    x = fgrad.ones(2, dtype=fgrad.bfloat16, requires_grad=True)
    with fgrad.autocast("cpu"):
        y = Scaled.apply(x)
    y.sum().backward()
    assert seen == [(fgrad.float32, False), (fgrad.float32, False)]


def test_errors_and_warnings_are_pytorchs() -> None:
    for t in (torch, fgrad):
        with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
            t.autocast(1)
        with pytest.raises(RuntimeError, match="unsupported autocast device_type|Expected one of cpu, cuda"):
            t.autocast("abacus")
        with pytest.warns(UserWarning, match="target dtype is not supported"):
            off = t.autocast("cpu", dtype=t.float64)
        with off:
            assert (t.ones(1, 1) @ t.ones(1, 1)).dtype is t.float32
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not fgrad.amp.GradScaler("cuda").is_enabled()
    with pytest.warns(UserWarning, match="CUDA is not available"):
        fgrad.cuda.amp.autocast()
    with fgrad.cpu.amp.autocast():
        assert fgrad.is_autocast_cpu_enabled()


def test_the_scaler_skips_overflows_and_keeps_its_state() -> None:
    def run(t: Any) -> Any:
        w = t.nn.Parameter(t.ones(2))
        optimizer = t.optim.SGD([w], lr=0.25)
        scaler = t.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)
        seen = []
        for factor in (1.0, float("inf"), float("nan"), 2.0):
            optimizer.zero_grad()
            a, b = scaler.scale([(w * factor).sum(), w.sum()])
            (a + b).backward()
            scaler.step(optimizer)
            with pytest.raises(RuntimeError, match="step\\(\\) has already been called"):
                scaler.step(optimizer)
            with pytest.raises(RuntimeError, match="being called after step"):
                scaler.unscale_(optimizer)
            scaler.update()
            seen.append((scaler.get_scale(), *w.detach().numpy().tolist()))
        again = t.amp.GradScaler("cpu")
        again.load_state_dict(scaler.state_dict())
        assert again.get_scale() == scaler.get_scale()
        assert again.state_dict() == scaler.state_dict()
        with pytest.raises(RuntimeError, match="empty"):
            again.load_state_dict({})
        again.scale(t.ones(1))
        with pytest.raises(AssertionError, match="No inf checks"):
            again.update()
        w.grad = None
        with pytest.raises(AssertionError):
            again.step(optimizer)
        off = t.amp.GradScaler("cpu", enabled=False)
        assert off.scale(3.0) == 3.0
        assert off.state_dict() == {}
        with pytest.raises(ValueError, match="iterable of Tensors"):
            again.scale(3.0)
        return seen, scaler.state_dict()

    assert run(fgrad) == run(torch)
    half = fgrad.nn.Parameter(fgrad.ones(1, dtype=fgrad.float16))
    half.grad = fgrad.ones(1, dtype=fgrad.float16)
    with pytest.raises(ValueError, match="FP16"):
        fgrad.amp.GradScaler("cpu").unscale_(fgrad.optim.SGD([half], lr=1.0))
