"""SummaryWriter, read back by tensorboard itself and compared with torch's writer."""

from __future__ import annotations

import io
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.utils.tensorboard import SummaryWriter

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")
theirs = pytest.importorskip("torch.utils.tensorboard")
loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
RNG = np.random.default_rng(0)
GREY, COLOUR = RNG.random((6, 5), dtype=np.float32), RNG.random((3, 6, 5), dtype=np.float32)
BYTES = RNG.integers(0, 256, (3, 6, 5), dtype=np.uint8)
SEVERAL = RNG.random((11, 3, 4, 5), dtype=np.float32)
NUMBERS = RNG.standard_normal(1000)
LABELS, GUESSES = RNG.integers(0, 2, 100), RNG.random(100, dtype=np.float32)
LAYOUT = {"a": {"x": ["Multiline", ["p", "q"]], "y": ["Margin", ["p", "q", "r"]]}}
CURVE = np.arange(12.0).reshape(6, 2)

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "scalar": lambda w, t: w.add_scalar("s", t(np.float32(0.5)), 3, 12.0),
    "scalar of a number": lambda w, t: w.add_scalar("s", 2, 3, 12.0),
    "scalar new": lambda w, t: w.add_scalar("s", t(np.float32(0.5)), 3, 12.0, new_style=True),
    "scalar double": lambda w, t: w.add_scalar("s", 0.1, 3, 12.0, new_style=True, double_precision=True),
    "histogram": lambda w, t: w.add_histogram("h", t(NUMBERS), 1, walltime=12.0),
    "histogram auto": lambda w, t: w.add_histogram("h", t(NUMBERS), 1, bins="auto", walltime=12.0),
    "histogram fd": lambda w, t: w.add_histogram("h", NUMBERS, 1, "fd", 12.0),
    "histogram edges": lambda w, t: w.add_histogram("h", NUMBERS, 1, [-1.0, 0.0, 0.5, 3.0, 9.0], 12.0),
    "histogram limited": lambda w, t: w.add_histogram("h", NUMBERS, 1, "tensorflow", 12.0, max_bins=50),
    "histogram of ints": lambda w, t: w.add_histogram("h", t(np.arange(7)), 1, walltime=12.0),
    "histogram raw": lambda w, t: w.add_histogram_raw("h", 0, 4, 3, 6, 14, [1, 2, 5], [1, 0, 2], 7, 12.0),
    "image": lambda w, t: w.add_image("i", t(COLOUR), 1, 12.0),
    "image bytes": lambda w, t: w.add_image("i", t(BYTES), 1, 12.0),
    "image HWC": lambda w, t: w.add_image("i", t(COLOUR.transpose(1, 2, 0)), 1, 12.0, "HWC"),
    "image HW": lambda w, t: w.add_image("i", t(GREY), 1, 12.0, "HW"),
    "image one channel": lambda w, t: w.add_image("i", t(GREY[None]), 1, 12.0),
    "images": lambda w, t: w.add_images("i", t(SEVERAL), 1, 12.0),
    "images grey": lambda w, t: w.add_images("i", t(SEVERAL[:, :1]), 1, 12.0),
    "images NHWC": lambda w, t: w.add_images("i", t(SEVERAL.transpose(0, 2, 3, 1)), 1, 12.0, "NHWC"),
    "boxes": lambda w, t: w.add_image_with_boxes("i", t(np.tile(COLOUR, (1, 9, 9))), t(np.array([[2, 3, 20, 30], [9, 9, 12, 15]])), 1, 12.0, 2),
    "boxes labelled": lambda w, t: w.add_image_with_boxes("i", t(np.tile(COLOUR, (1, 9, 9))), t(np.array([[2, 3, 30, 40]])), 1, 12.0, labels="cat"),
    "audio": lambda w, t: w.add_audio("a", t(np.sin(np.arange(50, dtype=np.float32))[None]), 1, 8000, 12.0),
    "text": lambda w, t: w.add_text("t", "some *text* ü", 1, 12.0),
    "tensor": lambda w, t: w.add_tensor("t", t(COLOUR), 1, 12.0),
    "tensor int64": lambda w, t: w.add_tensor("t", t(np.arange(6).reshape(2, 3)), 1, 12.0),
    "tensor bool": lambda w, t: w.add_tensor("t", t(np.array([True, False])), 1, 12.0),
    "tensor complex": lambda w, t: w.add_tensor("t", t(np.array([1 + 2j, 3j])), 1, 12.0),
    "pr": lambda w, t: w.add_pr_curve("p", t(LABELS), t(GUESSES), 1, walltime=12.0),
    "pr weighted": lambda w, t: w.add_pr_curve("p", LABELS, GUESSES, 1, 11, GUESSES, 12.0),
    "pr raw": lambda w, t: w.add_pr_curve_raw("p", *CURVE, 1, 2, walltime=12.0),
    "mesh": lambda w, t: w.add_mesh("m", t(RNG_MESH), t((RNG_MESH * 255).astype(np.uint8)), t(np.array([[[0, 1, 2]]])), {"x": 1}, 1, 12.0),
}  # fmt: skip
RNG_MESH = RNG.random((1, 4, 3), dtype=np.float32)


def events(folder: Path) -> list[Any]:
    """Every event below a folder, without the header that carries its writer's name."""
    found = []
    for file in sorted(folder.rglob("events.out.tfevents.*")):
        found += list(loader.RawEventFileLoader(str(file)).Load())
    parsed = [pytest.importorskip("tensorboard.compat.proto.event_pb2").Event.FromString(e) for e in found]
    return [e for e in parsed if not (e.file_version and not e.step)]


@pytest.mark.parametrize("name", CALLS)
def test_events_equal_torchs(name: str, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "ours") as ours, theirs.SummaryWriter(str(tmp_path / "theirs")) as other:
        CALLS[name](ours, fgrad.tensor)
        CALLS[name](other, torch.tensor)
    a, b = events(tmp_path / "ours"), events(tmp_path / "theirs")
    assert len(a) == len(b) == 1
    pictures = [e.summary.value[0].image.encoded_image_string for e in (a[0], b[0])]
    if pictures[0]:
        one, other = (np.asarray(pytest.importorskip("PIL.Image").open(io.BytesIO(p))) for p in pictures)
        assert one.shape == other.shape
        assert (one == other).all()
        for e in (a[0], b[0]):
            e.summary.value[0].image.ClearField("encoded_image_string")
    assert a[0] == b[0]


def test_values_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path), max_queue=2, flush_secs=1, filename_suffix=".end") as log:
        for i in range(3):
            log.add_scalar("loss", fgrad.tensor(float(i)), i)
        log.add_tensor("half", fgrad.tensor([0.5, -2.0], dtype=fgrad.float16), 1)
        log.add_tensor("brain", fgrad.tensor([0.5, -2.0], dtype=fgrad.bfloat16), 1)
        log.flush()
        assert log.get_logdir() == str(tmp_path)
        assert log.file_writer is not None
    assert [f.name.endswith(".end") for f in tmp_path.iterdir()] == [True]
    read = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator").EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(s.step, s.value) for s in read.Scalars("loss")] == [(0, 0.0), (1, 1.0), (2, 2.0)]
    util = pytest.importorskip("tensorboard.util.tensor_util")
    assert util.make_ndarray(read.Tensors("half")[0].tensor_proto).tolist() == [0.5, -2.0]
    log.add_scalar("again", 1.0, 1)  # a closed writer opens a new file
    log.close()
    assert len(list(tmp_path.iterdir())) == 2


def test_scalars_are_runs_of_their_own(tmp_path: Path) -> None:
    for name, writer in (("ours", SummaryWriter), ("theirs", theirs.SummaryWriter)):
        with writer(str(tmp_path / name)) as log:
            log.add_scalars("group/loss", {"a": 1.0, "b": 2.0}, 5, 12.0)
            log.add_scalars("group/loss", {"a": 3.0}, 6, 12.0)
    assert events(tmp_path / "ours") == events(tmp_path / "theirs")
    assert {p.name for p in (tmp_path / "ours").iterdir() if p.is_dir()} == {p.name for p in (tmp_path / "theirs").iterdir() if p.is_dir()}


def test_layouts_purges_and_hparams_equal_torchs(tmp_path: Path) -> None:
    for name, writer in (("ours", SummaryWriter), ("theirs", theirs.SummaryWriter)):
        with writer(str(tmp_path / name), purge_step=7) as log:
            log.add_custom_scalars(LAYOUT)
            log.add_custom_scalars_multilinechart(["p", "q"], "c", "d")
            log.add_custom_scalars_marginchart(["p", "q", "r"])
            log.add_hparams({"lr": 0.1, "name": "x", "n": 3, "none": None}, {"acc": 0.5}, {"lr": [0.1, 0.2]}, "run", 4)
    a, b = events(tmp_path / "ours"), events(tmp_path / "theirs")
    for e in (*a, *b):
        e.wall_time = 0
    for e in (*a, *b):  # maps have no order when serialised
        for v in e.summary.value:
            if v.metadata.plugin_data.plugin_name == "hparams":
                data = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2").HParamsPluginData
                v.tag += str(sorted(str(data.FromString(v.metadata.plugin_data.content)).splitlines()))
                v.metadata.plugin_data.content = b""
    assert a == b
    assert any(e.session_log.status for e in a)
    assert len(a) >= 8
    with SummaryWriter(tmp_path / "more") as log:
        log.add_hparams({"flag": True, "t": fgrad.tensor(2.0)}, {})
        for wrong in ([({"a": 1}, [1])], [([1], {})], [({"a": 1}, {}, {"a": ["x"]})]):
            with pytest.raises(TypeError):
                log.add_hparams(*wrong[0])
        with pytest.raises(ValueError, match="should be one of"):
            log.add_hparams({"a": object()}, {})


def test_embeddings_are_files_as_torchs(tmp_path: Path) -> None:
    mat, images = RNG.random((5, 3), dtype=np.float32), RNG.random((5, 3, 4, 4), dtype=np.float32)
    for name, writer, t in (("ours", SummaryWriter, fgrad.tensor), ("theirs", theirs.SummaryWriter, torch.tensor)):
        with writer(str(tmp_path / name)) as log:
            log.add_embedding(t(mat), list("abcde"), t(images), 2, "some/tag")
            log.add_embedding(t(mat), [("a", 1)] * 5, metadata_header=["x", "y"])
            log.add_embedding(mat, tag="plain")
    files = [sorted(str(p.relative_to(tmp_path / n)) for p in (tmp_path / n).rglob("*") if p.is_file() and "tfevents" not in p.name) for n in ("ours", "theirs")]  # fmt: skip
    assert files[0] == files[1]
    for f in files[0]:
        one, other = ((tmp_path / n / f).read_bytes() for n in ("ours", "theirs"))
        if f.endswith(".png"):
            one, other = (np.asarray(pytest.importorskip("PIL.Image").open(io.BytesIO(x))).tolist() for x in (one, other))
        assert one == other, f
    with SummaryWriter(tmp_path / "wrong") as log:
        for wrong in ((mat[0],), (mat, ["a"]), (mat, None, images[:2])):
            with pytest.raises(AssertionError):
                log.add_embedding(*wrong)


def test_a_models_graph_has_its_operations_and_shapes(tmp_path: Path) -> None:
    net = fgrad.nn.Sequential(fgrad.nn.Linear(3, 4), fgrad.nn.BatchNorm1d(4), fgrad.nn.ReLU(), fgrad.nn.Linear(4, 2)).eval()
    with SummaryWriter(tmp_path) as log:
        log.add_graph(net, fgrad.ones(5, 3))
        log.add_graph(lambda a, b: (a + b) * 2, (fgrad.ones(2), fgrad.ones(2)))
    graphs = [e.graph_def for e in events(tmp_path) if e.graph_def]
    kind = pytest.importorskip("tensorboard.compat.proto.graph_pb2").GraphDef
    graph, small = (kind.FromString(g) for g in graphs)
    by_name = {n.name: n for n in graph.node}
    assert len(by_name) == len(graph.node)
    assert all(i in by_name for n in graph.node for i in n.input)
    shape = {name: [d.size for d in n.attr["_output_shapes"].list.shape[0].dim] for name, n in by_name.items()}
    assert shape["parameters/0/weight"] == [4, 3]
    assert shape["parameters/1/running_mean"] == [4]
    assert shape["input/0"] == [5, 3]
    assert shape["output/0"] == [5, 2]
    products = [n for n in graph.node if n.op == "dot_general"]
    assert [shape[n.name] for n in products] == [[5, 4], [5, 2]]
    assert {"input/0", "parameters/0/weight"} == set(products[0].input)
    assert {"add", "mul"} <= {n.op for n in small.node}
    assert sum(n.name.startswith("input/") for n in small.node) == 2
    read = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator").EventAccumulator(str(tmp_path))
    read.Reload()
    assert read.Tags()["graph"]


def test_videos_sound_and_wrong_arguments(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as log:
        log.add_video("v", fgrad.rand(3, 5, 3, 4, 6), 1, fps=2)
        log.add_audio("a", fgrad.tensor([0.0, 2.0, -2.0]), 1, 100)
        for error, call in (
            (AssertionError, lambda: log.add_scalar("s", fgrad.ones(2))),
            (AssertionError, lambda: log.add_image("i", fgrad.ones(2, 2))),
            (AssertionError, lambda: log.add_image("i", fgrad.ones(2, 2, 2), dataformats="HHW")),
            (ValueError, lambda: log.add_image("i", fgrad.ones(2, 2, 2), dataformats="XYZ")),
            (AssertionError, lambda: log.add_images("i", fgrad.ones(2, 2, 2, 2))),
            (ValueError, lambda: log.add_histogram("h", [])),
            (ValueError, lambda: log.add_histogram("h", [1.0], bins=[2.0, 3.0])),
            (ValueError, lambda: log.add_histogram_raw("h", 0, 1, 1, 1, 1, [1], [1, 2])),
            (ValueError, lambda: log.add_video("v", fgrad.ones(2, 2))),
            (AssertionError, lambda: log.add_audio("a", fgrad.ones(2, 2))),
            (AssertionError, lambda: log.add_custom_scalars_marginchart(["a"])),
        ):
            with pytest.raises(error):
                call()
    video, sound = (e.summary.value[0] for e in events(tmp_path))
    film = pytest.importorskip("PIL.Image").open(io.BytesIO(video.image.encoded_image_string))
    assert (film.n_frames, film.size, film.info["duration"]) == (5, (24, 4), 500)
    with wave.open(io.BytesIO(sound.audio.encoded_audio_string)) as f:
        assert np.frombuffer(f.readframes(3), "<i2").tolist() == [0, 32767, -32767]


def test_the_folder_is_named_after_time_host_and_comment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_lr") as log:
        assert log.get_logdir().startswith("runs/")
        assert log.get_logdir().endswith("_lr")
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_figures_are_drawn(tmp_path: Path) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    figure = plt.figure(figsize=(2, 1), dpi=50)
    with SummaryWriter(tmp_path) as log:
        log.add_figure("f", figure, close=False)
        log.add_figure("g", [figure, figure])
    one, two = (e.summary.value[0].image for e in events(tmp_path))
    assert (one.width, one.height, two.width) == (100, 50, 200)


class Field:
    """Stands for one of ONNX's messages: named fields, and their list."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def ListFields(self) -> list[Any]:
        return [(k, v) for k, v in self.__dict__.items() if v is not None]


def onnx_graph() -> Any:
    """y = Gemm(x, w, transB=1) as ONNX holds it."""

    def value(name: str, *sizes: int) -> Any:
        dims = [Field(dim_value=d) for d in sizes]
        return Field(name=name, type=Field(tensor_type=Field(elem_type=1, shape=Field(dim=dims))))

    gemm = Field(op_type="Gemm", input=["x", "w"], output=["y"], attribute=[Field(name="transB", i=1, type=2), Field(name="alpha", f=0.5, type=1)])
    return Field(input=[value("x", 2, 3), value("w", 4, 3)], output=[value("y", 2, 4)], node=[gemm, Field(op_type="Relu", input=["y"], output=["z"], attribute=[])])


def test_an_onnx_graph_is_what_torch_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_side = pytest.importorskip("torch.utils.tensorboard._onnx_graph")
    monkeypatch.setitem(fgrad.errors._LOADED, "onnx", Field(load=lambda name: Field(graph=onnx_graph())))
    with SummaryWriter(tmp_path) as log:
        log.add_onnx_graph("model.onnx")
    kind = pytest.importorskip("tensorboard.compat.proto.graph_pb2").GraphDef
    (graph,) = (kind.FromString(e.graph_def) for e in events(tmp_path) if e.graph_def)
    assert graph == torch_side.parse(onnx_graph())


def test_a_missing_onnx_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(fgrad.errors._LOADED, "onnx", raising=False)
    with SummaryWriter(tmp_path) as log, pytest.raises(ImportError, match=r'pip install "fgrad\[onnx\]"'):
        log.add_onnx_graph("model.onnx")
