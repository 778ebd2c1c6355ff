"""What PyTorch refuses, each call by its class of error; and what it accepts beside its usual spellings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore:.*torch.cross", "ignore:.*uint8")]

REFUSED = """
f.fill_(T.ones(2)) | f.fill_(1 + 2j) | f.fill_diagonal_(1j) | i.fmod(0) | i.frac() | i.softmax(0) | i.log_softmax(0) | i.hypot(i) | i.igamma(i)
i.logaddexp(i) | i.logaddexp2(i) | f.index_fill(0, at, T.ones(2)) | f.index_select(1, at[None]) | f.index_add(0, at[None], f[:2])
f.index_copy(0, at[None], f[:2]) | f.index_reduce(0, at[None], f[:2], 'amax') | f.masked_select(i) | T.where(f, f, f) | f.take_along_dim(f) | f[:2].take_along_dim(at.int()[:, None], 1)
f.tensor_split(f) | f.quantile(T.tensor([2.0])) | f.nanquantile(2.0) | f.mvlgamma(0) | f.renorm(0, 0, 2) | f.renorm(1, 0, -1.0)
i.scatter(1, at[None], f[:1, :2]) | i.scatter_add(1, at[None], f[:1, :2]) | f.squeeze((0, 0)) | f.squeeze(0, 0) | f.vsplit(2) | T.addmm(i, f, f.T[:, :3])
T.inner(f, i) | T.cross(f, i) | f.clamp(1j) | T.complex(f, f).clamp(0) | f.repeat_interleave(T.ones(2)) | f.repeat_interleave(T.ones(2, 2).long())
f.repeat_interleave(at, 0) | f.roll((0, 1)) | f.roll((0, 1), 0) | f.unflatten(1, ()) | f.histogram(0) | f.histogram(T.ones(2, 2)) | i.histogram()
f.new_zeros(-1) | f.new_ones((2, -1)) | T.zeros(-1) | f.sum(T.tensor(5)) | f.sum(T.tensor(0.5)) | T.nn.functional.relu(T.complex(f, f)) | T.topk(f, T.tensor(9))
b.ceil() | b.round() | b.trunc() | b.median() | b.kthvalue(1, 0) | b.logit(1j) | T.zeros(0).argmax() | T.zeros(0).kthvalue(1) | T.zeros(0, 2).amax((0, 1)) | T.zeros(0).amax() | T.zeros(0).max(0) | T.zeros(0).median(0) | f.narrow(0, 5, 1) | f.narrow(0, 1, 5)
T.tensor(1.0).unbind() | T.tensor(1.0).cumsum(3) | T.tensor(1.0).expand(-1, 2) | f.gather(2, i) | f.scatter(2, i, 1.0) | i.softmax(5) | T.complex(f, f).logit()
f.masked_scatter(T.ones(2, dtype=T.bool), f) | T.ones(2, 2, dtype=T.bool).trace() | f.quantile(f[0] * 0 + 3)
"""
TAKEN = """
f.sum(T.tensor(1)) | f.amax(T.tensor(0)) | f.unsqueeze(T.tensor(1)) | f.chunk(T.tensor(2)) | f.split(T.tensor(2)) | f.topk(T.tensor(2)).values | f.diag(T.tensor(1))
f.diagonal(T.tensor(-1)) | f.diagflat(T.tensor(1)) | f.diag_embed(T.tensor(1)) | f.broadcast_to(2, 3, 4) | f[:1, :, None].squeeze(0, 2) | f.nan_to_num(None) | f.view(dtype=T.int32)
f.view(size=(4, 3)) | f.hsplit(T.tensor(2)) | f.tensor_split(at) | i.fmod(2) | f.repeat_interleave(T.tensor([2]), 0) | T.where(i.to(T.uint8), f, f * 2) | f.histogram().hist
f.roll((1, 2), (0, 1)) | f.roll(1) | T.ones(2, dtype=T.bool).scatter_add(0, at, T.ones(2, dtype=T.bool)) | f.hypot(i) | f.quantile(T.tensor([0.2, 1.0]))
T.tensor(T.zeros(3, 0, 2).stride()) | T.stft(T.complex(f[0], f[1]), 4, window=T.ones(4), onesided=False).abs() | f.quantile(f[0] * 0 + 0.3)
"""


def names(T: Any) -> dict[str, Any]:
    f = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    return {"T": T, "f": T.tensor(f), "i": T.arange(12).view(3, 4), "b": T.tensor(f > 0), "at": T.tensor([0, 1])}


def rows(text: str) -> list[str]:
    return [row.strip() for row in text.replace("\n", " | ").split(" | ") if row.strip()]


@pytest.mark.parametrize("text", rows(REFUSED))
def test_refused_as_pytorch_refuses(text: str) -> None:
    with pytest.raises((RuntimeError, TypeError, IndexError, ValueError)) as theirs:
        eval(text, names(torch))
    with pytest.raises(next(c for c in type(theirs.value).__mro__ if c.__module__ == "builtins")):
        eval(text, names(fgrad))


@pytest.mark.parametrize("text", rows(TAKEN))
def test_taken_as_pytorch_takes_it(text: str) -> None:
    theirs, ours = eval(text, names(torch)), eval(text, names(fgrad))
    many = isinstance(theirs, tuple | list)
    for a, b in zip(theirs if many else (theirs,), ours if many else (ours,), strict=True):
        assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-6)
