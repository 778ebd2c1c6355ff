"""Constants, limits and questions, and nn.functional's functions at the top level, against PyTorch."""

from __future__ import annotations

import math
from typing import Any

import pytest

import fgrad

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_limits_of_floats(name: str) -> None:
    ours, theirs = fgrad.finfo(getattr(fgrad, name)), torch.finfo(getattr(torch, name))
    for n in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype"):
        assert getattr(ours, n) == (theirs.dtype if n == "dtype" else pytest.approx(getattr(theirs, n), rel=1e-6)), n
    assert fgrad.finfo().dtype == "float32"
    assert "eps=" in repr(ours)


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64"])
def test_limits_of_integers(name: str) -> None:
    ours, theirs = fgrad.iinfo(getattr(fgrad, name)), torch.iinfo(getattr(torch, name))
    assert (ours.bits, ours.min, ours.max, ours.dtype) == (theirs.bits, theirs.min, theirs.max, theirs.dtype)
    assert repr(ours) == f"iinfo(min={theirs.min}, max={theirs.max}, dtype={name})"


@pytest.mark.parametrize("T", [fgrad, torch])
def test_limits_of_the_wrong_kind(T: Any) -> None:
    with pytest.raises(TypeError, match="iinfo"):
        T.finfo(T.int32)
    with pytest.raises(TypeError, match="finfo"):
        T.iinfo(T.float32)


def test_constants_and_questions() -> None:
    assert (fgrad.pi, fgrad.e, fgrad.inf, fgrad.newaxis) == (torch.pi, torch.e, torch.inf, None)
    assert math.isnan(fgrad.nan)
    for T in (fgrad, torch):
        x = T.ones(2, 3)
        assert T.is_tensor(x)
        assert not T.is_tensor([1])
        assert T.is_floating_point(x)
        assert not T.is_floating_point(T.tensor(1))
        assert T.is_signed(x)
        assert not T.is_signed(T.tensor(1, dtype=T.uint8))
        assert T.is_same_size(x, x + 1)
        assert not T.is_same_size(x, x.T)
        assert (T.numel(x), T.get_device(x)) == (6, -1)
        assert T.is_nonzero(T.tensor([2.0]))
        assert not T.is_nonzero(T.tensor(0))
        assert (T.typename(x), T.typename(3), T.typename(dict)) == ("torch.FloatTensor", "int", "dict")
        for bad in (T.ones(2), T.ones(0)):
            with pytest.raises(RuntimeError, match="ambiguous"):
                T.is_nonzero(bad)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool", "uint8", "int8", "int16", "int32", "int64"])
def test_names_of_tensors(name: str) -> None:
    assert fgrad.ones(1, dtype=getattr(fgrad, name)).type() == torch.ones(1, dtype=getattr(torch, name)).type()


def test_functions_of_nn_at_the_top() -> None:
    for name in sorted(n for n, module in fgrad._ELSEWHERE.items() if module == "fgrad.nn.functional"):
        assert getattr(fgrad, name) is getattr(fgrad.nn.functional, name)
        assert hasattr(torch, name)
    assert fgrad.conv2d(fgrad.ones(1, 1, 3, 3), fgrad.ones(1, 1, 2, 2)).tolist() == [[[[4.0, 4.0], [4.0, 4.0]]]]
