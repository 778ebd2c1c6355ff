"""Who shares which numbers: NumPy, views, donation, threads, pickles, hooks."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import fgrad as fg
from fgrad import autograd


def test_numpy_shares_memory_both_ways() -> None:
    x = fg.tensor([1.0, 2.0, 3.0])
    a = x.numpy()
    x.mul_(2)
    assert a.tolist() == [2.0, 4.0, 6.0]
    a[0] = 9
    assert x.tolist() == [9.0, 4.0, 6.0]
    view = x[1:]
    view.zero_()
    assert a.tolist() == [9.0, 0.0, 0.0]
    b = fg.from_numpy(a)
    b += 1
    assert a.tolist() == x.tolist() == [10.0, 1.0, 1.0]


def test_two_tensors_of_one_value_have_two_buffers() -> None:
    x = fg.ones(3)
    a, b = x * 2, x * 2
    a.numpy()[0] = 7
    assert b.tolist() == [2.0, 2.0, 2.0]


def test_donated_buffers_never_reach_held_results() -> None:
    w = fg.ones(3)
    held = [w.clone() for _ in range(2)]
    snapshots = []
    for _ in range(4):
        snapshots.append(w.detach().clone())
        w.add_(1)
        w.sum().item()
    assert [s.tolist()[0] for s in snapshots] == [1.0, 2.0, 3.0, 4.0]
    assert held[0].tolist() == [1.0] * 3


def test_another_thread_reads_a_pending_tensor() -> None:
    x = fg.ones(3) * 3
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(x.tolist()))
    thread.start()
    thread.join()
    assert found == [[3.0, 3.0, 3.0]]
    assert (x + 1).tolist() == [4.0, 4.0, 4.0]


def test_grad_mode_is_of_the_thread() -> None:
    found: list[bool] = []
    with fg.no_grad():
        thread = threading.Thread(target=lambda: found.append(fg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert found == [True]


def test_pickle_and_deepcopy() -> None:
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.requires_grad
        assert y.tolist() == [1.0, 2.0]
        y.data.zero_()
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(x * 2)


def test_a_hook_may_read_numbers() -> None:
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    norms = []
    h = x * 2
    h.register_hook(lambda g: norms.append(g.norm().item()))
    (h * h).sum().backward()
    assert norms == [pytest.approx(np.sqrt(80.0))]
    assert x.grad.tolist() == [8.0, 16.0]


def test_grad_of_many_outputs() -> None:
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    a, b = (x * x).sum(), (3 * x).sum()
    (g,) = autograd.grad([a, b], [x])
    assert g.tolist() == [5.0, 7.0]
