"""The programs of examples/torch_style compute the same losses with fgrad and, imports changed, with PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_examples import FOLDER, FOR_TORCH, load

FOR_PYTORCH = (
    *FOR_TORCH,
    ("import fgrad.nn as nn", "import torch.nn as nn"),
    ("import fgrad.nn.functional as F", "import torch.nn.functional as F"),
    ("import fgrad.optim as optim", "import torch.optim as optim"),
)
SMALL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # arguments of build and of train
    "dcgan": ({"nz": 8, "width": 8}, {"steps": 12, "batch": 32}),
    "dqn": ({"hidden": 32}, {"steps": 20, "batch": 16}),
    "mnist_cnn": ({"width": 4, "dropout": 0.0}, {"steps": 16, "batch": 128}),
    "seq2seq_attention": ({"hidden": 16}, {"steps": 15, "batch": 8, "digits": 3}),
    "style_transfer": ({"width": 4}, {"steps": 1, "side": 12}),
    "super_resolution": ({"width": 8}, {"steps": 20, "batch": 16}),
    "transformer_lm": ({"d_model": 16, "heads": 2}, {"steps": 15, "batch": 4, "length": 12}),
    "unet": ({"width": 4}, {"steps": 12, "batch": 4, "side": 14}),
    "vae": ({"hidden": 32, "latent": 4}, {"steps": 20, "batch": 32}),
    "word_lstm": ({"width": 16}, {"steps": 15, "columns": 8, "bptt": 6}),
}


def test_every_program_is_compared() -> None:
    assert sorted(SMALL) == sorted(p.stem for p in (FOLDER / "torch_style").glob("*.py"))


@pytest.mark.slow
@pytest.mark.oracle
@pytest.mark.parametrize("name", sorted(SMALL))
def test_losses_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    module, twin = load(f"torch_style/{name}"), load(f"torch_style/{name}", FOR_PYTORCH)
    assert module.__doc__
    assert twin.torch is torch
    assert "fgrad" not in twin.nn.__name__
    build, train = SMALL[name]
    torch.manual_seed(0)
    theirs, ours = twin.build(**build), module.build(**build)
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        a.load_state_dict({k: v.detach().numpy().copy() for k, v in b.state_dict().items()})
    found, expected = module.train(*ours, **train), twin.train(*theirs, **train)
    assert len(found) >= 10
    assert len(set(map(str, found))) == len(found)  # a curve, not a constant
    # L-BFGS falls to 1e-4 of the first loss, where rounding of the BLAS at hand decides: a millionth of the largest is let
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6 * np.abs(expected).max())
    for a, b in zip(ours, theirs, strict=True):
        mine = a.state_dict()
        for key, value in b.state_dict().items():
            np.testing.assert_allclose(np.asarray(mine[key]), value.detach().numpy(), rtol=2e-2, atol=2e-3, err_msg=key)
