"""PyTorch's files: torch reads ours, we read torch's, and nothing in a file runs."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad as fg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
DTYPES = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 uint16 uint32 uint64".split()


def tree(t: Any) -> dict[str, Any]:
    base = t.arange(24.0).reshape(2, 3, 4)
    return {
        **{d: t.tensor([[1, 0], [1, 1], [0, 1]]).to(getattr(t, d)) for d in DTYPES},
        "turned": base.permute(2, 0, 1), "part": base[:, 1:, ::2], "0-d": t.tensor(3.5), "empty": t.zeros(0, 3),
        "parameter": t.nn.Parameter(t.ones(2)), "frozen": t.nn.Parameter(t.ones(2), requires_grad=False),
        "plain": [1, -2.5, "ä\n", None, True, (1, ("a",)), float("inf"), 2**40, -(2**70)], "ordered": OrderedDict(b=1, a=2),
        "more": [b"by\x80te", b"", 1 - 2j, {1, 2}, set(), [], (), {}], "size": t.Size([2, 3]), "dtype": t.bfloat16, 7: {"nested": {}},
    }  # fmt: skip


def same(a: Any, b: Any) -> None:
    if isinstance(b, torch.Tensor):
        assert isinstance(a, fg.Tensor)
        assert (str(a.dtype).split(".")[-1], tuple(a.shape)) == (str(b.dtype).split(".")[-1], tuple(b.shape))
        assert a.requires_grad == b.requires_grad
        assert isinstance(a, fg.nn.Parameter) == isinstance(b, torch.nn.Parameter)
        x, y = (v.detach().float() if "16" in str(v.dtype) and "f" in str(v.dtype) else v.detach() for v in (a, b))
        np.testing.assert_array_equal(x.numpy(), y.numpy())
    elif isinstance(b, dict):
        assert type(a) is type(b)
        assert list(a) == list(b)
        for k in b:
            same(a[k], b[k])
    elif isinstance(b, tuple | list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(b, torch.dtype):
        assert str(a).split(".")[-1] == str(b).split(".")[-1]
    else:
        assert a == b


def test_we_read_what_torch_writes(tmp_path: Path) -> None:
    torch.save(tree(torch), tmp_path / "x.pt")
    same(fg.load(tmp_path / "x.pt"), tree(torch))


def test_torch_reads_what_we_write(tmp_path: Path) -> None:
    fg.save(tree(fg), tmp_path / "x.pt", format="torch")
    same(tree(fg), torch.load(tmp_path / "x.pt", weights_only=True))
    same(fg.load(tmp_path / "x.pt"), tree(torch))


def net(t: Any) -> Any:
    return t.nn.Sequential(t.nn.Conv2d(1, 4, 3), t.nn.BatchNorm2d(4), t.nn.Flatten(), t.nn.Linear(4 * 36, 3))


@pytest.mark.parametrize(("here", "there"), [(torch, fg), (fg, torch)], ids=["from torch", "to torch"])
def test_a_checkpoint_goes_on_in_the_other_framework(here: Any, there: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = [(rng.normal(size=(5, 1, 8, 8)).astype("float32"), rng.integers(0, 3, 5)) for _ in range(6)]

    def train(t: Any, model: Any, opt: Any, batches: Any) -> list[float]:
        losses = []
        for x, y in batches:
            opt.zero_grad()
            loss = t.nn.CrossEntropyLoss()(model(t.tensor(x)), t.tensor(y))
            loss.backward()
            opt.step()
            losses.append(loss.item())
        return losses

    model = net(here)
    opt = here.optim.Adam(model.parameters(), lr=1e-2)
    train(here, model, opt, data[:3])
    state = {"model": model.state_dict(), "opt": opt.state_dict(), "epoch": 3}
    options = {"format": "torch"} if here is fg else {}
    here.save(state, tmp_path / "c.pt", **options)
    found = there.load(tmp_path / "c.pt")
    other = net(there)
    other.load_state_dict(found["model"])
    opt2 = there.optim.Adam(other.parameters(), lr=1e-2)
    opt2.load_state_dict(found["opt"])
    assert found["epoch"] == 3
    np.testing.assert_allclose(train(there, other, opt2, data[3:]), train(here, model, opt, data[3:]), rtol=1e-4)


@pytest.mark.filterwarnings("ignore:Sparse")
def test_sparse_tensors(tmp_path: Path) -> None:
    dense = [[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]]
    for make in ("to_sparse", "to_sparse_csr"):
        theirs, mine = getattr(torch.tensor(dense), make)(), getattr(fg.tensor(dense), make)()
        torch.save({"s": theirs}, tmp_path / "theirs.pt")
        fg.save({"s": mine}, tmp_path / "mine.pt", format="torch")
        got, back = fg.load(tmp_path / "theirs.pt")["s"], torch.load(tmp_path / "mine.pt", weights_only=True)["s"]
        assert type(got) is type(mine)
        assert back.layout == theirs.layout
        assert got.to_dense().tolist() == back.to_dense().tolist() == dense
    loose = torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (3,))
    torch.save(loose, tmp_path / "loose.pt")
    got = fg.load(tmp_path / "loose.pt")
    assert not got.is_coalesced()
    assert got.to_dense().tolist() == [3.0, 0.0, 0.0]


def test_refusals_are_those_pickle_raises(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1), tmp_path / "module.pt")
    for m in (fg, torch):
        with pytest.raises(pickle.UnpicklingError):
            m.load(tmp_path / "module.pt")
    (tmp_path / "none.pt").write_bytes(b"garbage")
    with pytest.raises(pickle.UnpicklingError):
        fg.load(tmp_path / "none.pt")


def test_one_tensor_in_two_places_stays_one(tmp_path: Path) -> None:
    for t, options in ((torch, {}), (fg, {"format": "torch"})):
        w = t.nn.Parameter(t.ones(2))
        t.save({"a": w, "b": w}, tmp_path / "x.pt", **options)
        found = fg.load(tmp_path / "x.pt")
        assert found["a"] is found["b"]


def archive(data: bytes, **more: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("a/data.pkl", data)
        for k, v in more.items():
            z.writestr(f"a/{k}", v)
    out.seek(0)
    return out


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/fgrad_evil",)


@pytest.mark.parametrize(("pickled", "named"), [
    (pickle.dumps(Evil(), 2), "posix.system"), (pickle.dumps(Evil(), 4), "posix.system"),
    (b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", "builtins.eval"), (b"\x80\x02cos\nsystem\n.", "os.system"),
    (b"\x80\x02ctorch\nload\n.", "torch.load"), (b"\x80\x02cfgrad\nsave\n.", "fgrad.save"),
    (pickle.dumps(np.float64(1), 2), "numpy"), (b"\x80\x02X\x01\x00\x00\x00aQ.", "external object"),
])  # fmt: skip
def test_code_is_refused_by_name(pickled: bytes, named: str) -> None:
    with pytest.raises(RuntimeError, match=named):
        fg.load(archive(pickled))
    assert not Path("/tmp/fgrad_evil").exists()


def test_a_program_or_another_zip_is_refused() -> None:
    with pytest.raises(RuntimeError, match="TorchScript"):
        fg.load(archive(b"\x80\x02N.", **{"constants.pkl": b""}))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("readme.txt", "hello")
    out.seek(0)
    with pytest.raises(RuntimeError, match="not one of PyTorch's"):
        fg.load(out)


def test_damage_is_named_and_memory_is_not_left() -> None:
    whole = io.BytesIO()
    torch.save({"w": torch.arange(6.0)}, whole)
    raw = whole.getvalue()
    with pytest.raises(RuntimeError, match="zip archive|damaged"):
        fg.load(io.BytesIO(raw[:200]))
    for size, stride, offset in (((7,), (1,), 0), ((2,), (9,), 0), ((2,), (1,), 5), ((2,), (-1,), 3), ((2,), (1,), -1)):
        pickled = (
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
            + pickle.dumps(offset, 2)[2:-1] + pickle.dumps(size, 2)[2:-1] + pickle.dumps(stride, 2)[2:-1] + b"\x89NtR."
        )  # fmt: skip
        with pytest.raises(RuntimeError, match="leaves its storage"):
            fg.load(archive(pickled, **{"data/0": np.arange(6, dtype="float32").tobytes()}))


def test_what_pytorch_could_not_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    fg.save({"a": 1}, path, format="torch")
    for bad in ({"f": len}, {"a": np.ones(2)}, {"s": object()}):
        with pytest.raises(RuntimeError, match="without running code"):
            fg.save(bad, path, format="torch")
    assert fg.load(path) == {"a": 1}
    with pytest.raises(RuntimeError, match="no format"):
        fg.save({}, path, format="pickle")
