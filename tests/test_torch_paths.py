"""PyTorch's longer module paths, DataParallel, hub, and what is accepted or refused around them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
LAYER_FILES = sorted(p.stem for p in Path(torch.nn.modules.__file__).parent.glob("*.py") if p.stem not in ("__init__", "_functions", "module", "utils"))
NOT_OURS = {"_ASMoutput", "_LazyNormBase", "_LazyConvXdMixin", "_ConvTransposeMixin", "_LazyProtocol", "_ChunkViews", "_ChunkContext", "_AutoDefault"}


@pytest.mark.parametrize("file", LAYER_FILES)
def test_layers_are_found_in_pytorchs_files(file: str) -> None:
    theirs = importlib.import_module(f"torch.nn.modules.{file}")
    ours = importlib.import_module(f"fgrad.nn.modules.{file}")
    names = {n for n, x in vars(theirs).items() if isinstance(x, type) and x.__module__ == theirs.__name__} - NOT_OURS
    for n in names:
        assert isinstance(getattr(ours, n), type)
        if hasattr(fgrad.nn, n):
            assert getattr(ours, n) is getattr(fgrad.nn, n)
            assert getattr(fgrad.nn.modules, n) is getattr(fgrad.nn, n)


def test_paths_can_be_imported() -> None:
    from fgrad.nn.modules.conv import Conv2d
    from fgrad.nn.modules.utils import _list_with_default, _ntuple, _pair, _reverse_repeat_tuple, _single, _triple
    from fgrad.nn.parallel.data_parallel import DataParallel
    from fgrad.nn.parallel.scatter_gather import gather
    from fgrad.optim.adam import Adam
    from fgrad.optim.adamw import AdamW
    from fgrad.optim.sgd import SGD
    from fgrad.utils.data._utils.collate import default_collate
    from fgrad.utils.data.dataloader import DataLoader

    from fgrad.nn.attention import SDPBackend, sdpa_kernel
    from fgrad.nn.modules import Module, conv
    from fgrad.nn.parameter import Buffer, Parameter, UninitializedParameter
    from fgrad.optim.lr_scheduler import LRScheduler, _LRScheduler
    from fgrad.optim.optimizer import Optimizer
    from fgrad.utils.data.dataset import Dataset
    from fgrad.utils.data.sampler import Sampler

    assert conv.Conv2d is Conv2d is fgrad.nn.Conv2d
    assert Module is fgrad.nn.Module
    assert DataParallel is fgrad.nn.DataParallel
    assert (Adam, AdamW, SGD, Optimizer) == (fgrad.optim.Adam, fgrad.optim.AdamW, fgrad.optim.SGD, fgrad.optim.Optimizer)
    assert callable(fgrad.optim.adam)  # the pure form keeps its name
    assert LRScheduler is _LRScheduler
    assert (DataLoader, Dataset, Sampler) == tuple(getattr(fgrad.utils.data, n) for n in ("DataLoader", "Dataset", "Sampler"))
    assert default_collate is fgrad.utils.data.default_collate
    assert gather is fgrad.nn.parallel.gather
    assert {Buffer, Parameter, UninitializedParameter}
    their = torch.nn.modules.utils
    for ours, name in ((_single, "_single"), (_pair, "_pair"), (_triple, "_triple"), (_ntuple(5), "_quadruple")):
        for x in (3, (1, 2), [1, 2], "same"):
            if name != "_quadruple":
                assert ours(x) == getattr(their, name)(x)
    assert _ntuple(5)(1) == (1,) * 5
    assert _reverse_repeat_tuple((1, 2), 2) == their._reverse_repeat_tuple((1, 2), 2)
    assert _list_with_default([None, 3], [1, 2, 5]) == their._list_with_default([None, 3], [1, 2, 5])
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]), sdpa_kernel(SDPBackend.MATH):
        pass
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel("math"):
        pass


SAMPLES: dict[str, Any] = {
    "BatchNorm2d": (2,), "InstanceNorm2d": (2,), "SyncBatchNorm": (2,), "Conv2d": (1, 1, 1), "ConvTranspose2d": (1, 1, 1),
    "MSELoss": (), "NLLLoss": (), "CrossEntropyLoss": (), "CTCLoss": (), "Dropout": (), "Dropout2d": (), "AlphaDropout": (),
    "MaxPool2d": (1,), "AvgPool1d": (1,), "AdaptiveAvgPool2d": (1,), "ReflectionPad2d": (1,), "ZeroPad2d": (1,), "Linear": (1, 1),
    "LayerNorm": (1,), "KLDivLoss": (), "BCELoss": (), "LPPool2d": (2, 2), "MaxUnpool2d": (2,),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_base_classes_know_the_layers_that_torchs_know(name: str) -> None:
    ours, theirs = getattr(fgrad.nn, name)(*SAMPLES[name]), getattr(torch.nn, name)(*SAMPLES[name])
    for file in LAYER_FILES:
        module = importlib.import_module(f"torch.nn.modules.{file}")
        for base, kind in vars(module).items():
            if isinstance(kind, type) and base.startswith("_") and kind.__module__ == module.__name__ and base not in NOT_OURS:
                found = getattr(importlib.import_module(f"fgrad.nn.modules.{file}"), base)
                assert isinstance(ours, found) is isinstance(theirs, kind), base


def test_losses_can_be_derived_from_the_base_classes() -> None:
    class Mine(fgrad.nn.modules.loss._WeightedLoss):
        def forward(self, x: Any) -> Any:
            return (x * self.weight).sum()

    loss = Mine(fgrad.ones(2), reduction="sum")
    assert loss.reduction == "sum"
    assert list(loss.state_dict()) == ["weight"]
    assert loss(fgrad.ones(2)).item() == 2
    with pytest.warns(UserWarning, match="size_average"):
        assert fgrad.nn.modules.loss._Loss(size_average=False).reduction == "sum"
    assert not isinstance(fgrad.nn.MSELoss(), Mine)


def test_data_parallel_is_its_module() -> None:
    x = np.ones((4, 3), np.float32)
    ours, theirs = fgrad.nn.DataParallel(fgrad.nn.Linear(3, 2)), torch.nn.DataParallel(torch.nn.Linear(3, 2))
    ours.load_state_dict({k: fgrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    np.testing.assert_allclose(ours(fgrad.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-6)
    assert (fgrad.nn.parallel.data_parallel(ours.module, fgrad.tensor(x)) == ours(fgrad.tensor(x))).all().item()
    with pytest.raises(RuntimeError, match="several|not supported"):
        fgrad.nn.DataParallel(ours.module, device_ids=[0, 1])
    with pytest.raises(RuntimeError, match="process group"):
        fgrad.nn.parallel.DistributedDataParallel(ours.module)


def test_scatter_and_gather_are_inverse() -> None:
    p = fgrad.nn.parallel
    x, y = fgrad.arange(10.0).reshape(5, 2), fgrad.arange(5)
    parts = p.scatter({"a": (x, [y]), "b": 3}, [0, 1])
    assert [part["a"][0].shape[0] for part in parts] == [3, 2]
    assert [part["b"] for part in parts] == [3, 3]
    back = p.gather([part["a"] for part in parts], "cpu")
    assert (back[0] == x).all().item()
    assert (back[1][0] == y).all().item()
    args, kwargs = p.scatter_kwargs((x,), {}, [0, 1])
    assert len(args) == len(kwargs) == 2
    net = fgrad.nn.Linear(2, 1)
    copies = p.replicate(net, [0, 1])
    out = p.gather(p.parallel_apply(copies, args), "cpu")
    np.testing.assert_allclose(out.detach().numpy(), net(x).detach().numpy(), rtol=1e-6)
    out.sum().backward()
    assert net.weight.grad is not None


def test_hub_reads_folders_and_refuses_the_network(tmp_path: Path) -> None:
    (tmp_path / "hubconf.py").write_text('import fgrad\n\ndef small(n=2):\n    """A layer."""\n    return fgrad.nn.Linear(n, 1)\n')
    assert fgrad.hub.load(str(tmp_path), "small", n=3, source="local", trust_repo=True).in_features == 3
    assert fgrad.hub.list(str(tmp_path), source="local") == ["small"]
    assert fgrad.hub.help(str(tmp_path), "small", source="local") == "A layer."
    with pytest.raises(RuntimeError, match="Cannot find callable"):
        fgrad.hub.load(str(tmp_path), "large", source="local")
    with pytest.raises(ValueError, match="Unknown source"):
        fgrad.hub.load(str(tmp_path), "small", source="ftp")
    with pytest.raises(ImportError, match="no network"):
        fgrad.hub.load("a/b", "small")
    for call in (fgrad.hub.load_state_dict_from_url, fgrad.utils.model_zoo.load_url):
        with pytest.raises(ImportError, match=r"fgrad\.load"):
            call("https://example.com/x.pt")
    with pytest.raises(ImportError, match="no network"):
        fgrad.hub.download_url_to_file("https://example.com/x", str(tmp_path / "x"))
    before = fgrad.hub.get_dir()
    fgrad.hub.set_dir(tmp_path)
    assert fgrad.hub.get_dir() == str(tmp_path)
    fgrad.hub.set_dir(before)


def test_dlpack_goes_both_ways() -> None:
    x = torch.arange(4.0)
    y = fgrad.utils.dlpack.from_dlpack(x)
    assert y.tolist() == [0, 1, 2, 3]
    assert torch.utils.dlpack.from_dlpack(fgrad.utils.dlpack.to_dlpack(y)).tolist() == [0, 1, 2, 3]


def test_types_of_sizes_are_pytorchs() -> None:
    theirs = importlib.import_module("torch.nn.common_types")
    ours = importlib.import_module("fgrad.nn.common_types")
    for name in vars(theirs):
        if name.endswith("_t") and name.startswith(("_size", "_ratio")):
            assert getattr(ours, name) == getattr(theirs, name)
        elif name.endswith("_t"):
            assert hasattr(ours, name)


def test_paths_are_attributes_too() -> None:
    for path in ("utils.data.dataloader", "utils.data._utils.collate", "utils.data.dataset", "utils.data.sampler", "nn.parallel.distributed"):
        mine, theirs = fgrad, torch
        for part in path.split("."):
            mine, theirs = getattr(mine, part), getattr(theirs, part)
        assert mine is not None
