"""SummaryWriter: PyTorch's writer of TensorBoard's event files."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from fgrad.utils.tensorboard import curves, graphs, onnx_graphs, pictures, projector, summaries
from fgrad.utils.tensorboard.protos import array, proto

__all__ = ["FileWriter", "SummaryWriter"]


class FileWriter:
    """Events to one file in a folder, written by a thread of tensorboard's."""

    def __init__(self, log_dir: Any, max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = "") -> None:
        kind = proto("summary.writer.event_file_writer").EventFileWriter
        self.event_writer = kind(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return str(self.event_writer.get_logdir())

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """One event, stamped with a step and the time."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(self, summary: Any, global_step: Any = None, walltime: float | None = None) -> None:
        """A summary as an event."""
        self.add_event(proto("event").Event(summary=summary), global_step, walltime)

    def add_graph(self, graph_profile: Any, walltime: float | None = None) -> None:
        """(GraphDef, RunMetadata) as two events."""
        graph, stats = graph_profile
        event = proto("event")
        self.add_event(event.Event(graph_def=graph.SerializeToString()), None, walltime)
        tagged = event.TaggedRunMetadata(tag="step1", run_metadata=stats.SerializeToString())
        self.add_event(event.Event(tagged_run_metadata=tagged), None, walltime)

    def add_onnx_graph(self, graph: Any, walltime: float | None = None) -> None:
        """A GraphDef as an event."""
        self.add_event(proto("event").Event(graph_def=graph.SerializeToString()), None, walltime)

    def flush(self) -> None:
        """Writes what waits."""
        self.event_writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Starts a new file in the folder if this one is closed."""
        self.event_writer.reopen()


class SummaryWriter:
    """Logs numbers, pictures and more to a folder that `tensorboard --logdir` shows.

    log_dir: the folder (default: runs/<time>_<host><comment>).  purge_step: what was logged from this step on is hidden.
    max_queue, flush_secs: how many events may wait, and how long.  filename_suffix: the end of the file's name.
    A `step` is a whole number, `walltime` seconds since 1970 (default: now).  Needs tensorboard (pip install fgrad[tensorboard]).

    >>> import fgrad, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as log:
    ...     log.add_scalar("loss", fgrad.tensor(0.5), 1)
    ...     len(list(pathlib.Path(folder).glob("events.out.tfevents.*")))
    1
    """

    def __init__(self, log_dir: Any = None, comment: str = "", purge_step: int | None = None, max_queue: int = 10,
                 flush_secs: int = 120, filename_suffix: str = "") -> None:  # fmt: skip
        if not log_dir:
            log_dir = str(Path("runs") / f"{datetime.now().strftime('%b%d_%H-%M-%S')}_{socket.gethostname()}{comment}")
        self.log_dir, self.purge_step = os.fspath(log_dir), purge_step
        self.max_queue, self.flush_secs, self.filename_suffix = max_queue, flush_secs, filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._projector: Any = None
        self._get_file_writer()

    def _get_file_writer(self) -> FileWriter:
        """The writer of the folder itself; a new file after `close`."""
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = FileWriter(self.log_dir, self.max_queue, self.flush_secs, self.filename_suffix)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                event, at, self.purge_step = proto("event"), self.purge_step, None
                self.file_writer.add_event(event.Event(step=at, file_version="brain.Event:2"))
                start = event.SessionLog(status=event.SessionLog.START)
                self.file_writer.add_event(event.Event(step=at, session_log=start))
        return self.file_writer

    def _add(self, summary: Any, step: Any = None, walltime: float | None = None) -> None:
        self._get_file_writer().add_summary(summary, step, walltime)

    def get_logdir(self) -> str:
        """The folder."""
        return str(self.log_dir)

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, walltime: float | None = None, new_style: bool = False,
                   double_precision: bool = False) -> None:  # fmt: skip
        """One number. new_style: as a tensor; double_precision: of float64."""
        self._add(summaries.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime)

    def add_scalars(self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: Any = None, walltime: float | None = None) -> None:
        """Several numbers in one chart, each a run in a folder of its own."""
        at = time.time() if walltime is None else walltime
        root = self._get_file_writer().get_logdir()
        writers = self.all_writers if self.all_writers is not None else {}
        for tag, value in tag_scalar_dict.items():
            folder = f"{root}/{main_tag.replace('/', '_')}_{tag}"
            if folder not in writers:
                writers[folder] = FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)
            writers[folder].add_summary(summaries.scalar(main_tag, value), global_step, at)

    def add_tensor(self, tag: str, tensor: Any, global_step: Any = None, walltime: float | None = None) -> None:
        """A tensor of any shape."""
        self._add(summaries.tensor(tag, tensor), global_step, walltime)

    def add_histogram(self, tag: str, values: Any, global_step: Any = None, bins: Any = "tensorflow", walltime: float | None = None,
                      max_bins: int | None = None) -> None:  # fmt: skip
        """How values are spread. bins: "tensorflow" (powers of 1.1), edges, a number, or NumPy's names ("auto", "fd", ...)."""
        self._add(summaries.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(self, tag: str, min: Any, max: Any, num: Any, sum: Any, sum_squares: Any, bucket_limits: Any, bucket_counts: Any,
                          global_step: Any = None, walltime: float | None = None) -> None:  # fmt: skip
        """A histogram counted elsewhere; bucket_limits are upper edges. ValueError where lengths differ."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        self._add(summaries.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts), global_step, walltime)

    def add_image(self, tag: str, img_tensor: Any, global_step: Any = None, walltime: float | None = None, dataformats: str = "CHW") -> None:
        """A picture: bytes, or numbers of 0 to 1. dataformats: the order of its axes, "CHW", "HWC" or "HW"."""
        self._add(summaries.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(self, tag: str, img_tensor: Any, global_step: Any = None, walltime: float | None = None, dataformats: str = "NCHW") -> None:
        """Several pictures in a grid, 8 in a row. dataformats: "NCHW" or "NHWC"."""
        self._add(summaries.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_image_with_boxes(self, tag: str, img_tensor: Any, box_tensor: Any, global_step: Any = None, walltime: float | None = None,
                             rescale: float = 1, dataformats: str = "CHW", labels: Any = None) -> None:  # fmt: skip
        """A picture with rectangles [n, 4] (left, top, right, bottom), labelled if there are as many labels."""
        names = [labels] if isinstance(labels, str) else labels
        names = None if names is None or len(names) != len(box_tensor) else names
        self._add(summaries.image(tag, img_tensor, dataformats, rescale, box_tensor, names), global_step, walltime)

    def add_figure(self, tag: str, figure: Any, global_step: Any = None, close: bool = True, walltime: float | None = None) -> None:
        """A matplotlib figure, or several in a grid; closed afterwards unless told. Needs matplotlib."""
        several = isinstance(figure, list)
        drawn = [pictures.figure_pixels(f, close) for f in (figure if several else [figure])]
        x = np.stack(drawn) if several else drawn[0]
        self.add_image(tag, x, global_step, walltime, dataformats="NCHW" if several else "CHW")

    def add_video(self, tag: str, vid_tensor: Any, global_step: Any = None, fps: float = 4, walltime: float | None = None) -> None:
        """Videos [n, t, c, h, w] side by side, as an animation of `fps` frames a second."""
        self._add(summaries.video(tag, vid_tensor, fps), global_step, walltime)

    def add_audio(self, tag: str, snd_tensor: Any, global_step: Any = None, sample_rate: int = 44100, walltime: float | None = None) -> None:
        """Mono sound [n] or [1, n] of -1 to 1; what lies outside is clipped."""
        self._add(summaries.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None) -> None:
        """A text, shown as Markdown."""
        self._add(summaries.text(tag, text_string), global_step, walltime)

    def add_graph(self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True) -> None:
        """The recorded forward of a model on an input (a tuple of several). verbose, use_strict_trace: accepted."""
        self._get_file_writer().add_graph((graphs.graph_def(model, input_to_model), graphs.run_metadata()))

    def add_onnx_graph(self, prototxt: Any) -> None:
        """The graph of an ONNX file (a path). Needs onnx: MissingError names what to install without it."""
        self._get_file_writer().add_onnx_graph(onnx_graphs.load_onnx_graph(prototxt))

    def add_hparams(self, hparam_dict: dict[str, Any], metric_dict: dict[str, Any], hparam_domain_discrete: Any = None,
                    run_name: str | None = None, global_step: Any = None) -> None:  # fmt: skip
        """Hyperparameters and what they led to, as a run of its own below the folder (run_name; default: the time)."""
        parts = curves.hparams(hparam_dict, metric_dict, hparam_domain_discrete or {})
        folder = Path(self._get_file_writer().get_logdir()) / (run_name or str(time.time()))
        with SummaryWriter(str(folder)) as own:
            for part in parts:
                own._add(part, global_step)
            for k, v in metric_dict.items():
                own.add_scalar(k, v, global_step)

    def add_embedding(self, mat: Any, metadata: Any = None, label_img: Any = None, global_step: Any = None, tag: str = "default",
                      metadata_header: Any = None) -> None:  # fmt: skip
        """Vectors [n, d] for the projector, with n labels (rows, if there is a header) and n pictures [n, c, h, w]."""
        if self._projector is None:
            self._projector = proto("plugins.projector.projector_config_pb2").ProjectorConfig()
        root = Path(self._get_file_writer().get_logdir())
        projector.add(self._projector, root, mat, metadata, label_img, global_step or 0, tag, metadata_header)

    def add_pr_curve(self, tag: str, labels: Any, predictions: Any, global_step: Any = None, num_thresholds: int = 127, weights: Any = None,
                     walltime: float | None = None) -> None:  # fmt: skip
        """Precision against recall of predictions of 0 to 1 for labels 0 or 1, at up to 127 thresholds."""
        n = min(num_thresholds, 127)
        self._add(curves.pr_curve(tag, curves.pr_counts(labels, predictions, n, weights), n), global_step, walltime)

    def add_pr_curve_raw(self, tag: str, true_positive_counts: Any, false_positive_counts: Any, true_negative_counts: Any,
                         false_negative_counts: Any, precision: Any, recall: Any, global_step: Any = None, num_thresholds: int = 127,
                         weights: Any = None, walltime: float | None = None) -> None:  # fmt: skip
        """A curve counted elsewhere."""
        rows = (true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision, recall)
        self._add(curves.pr_curve(tag, np.stack([array(r) for r in rows]), min(num_thresholds, 127)), global_step, walltime)

    def add_custom_scalars(self, layout: dict[str, dict[str, Any]]) -> None:
        """Charts of tags: {category: {title: ["Multiline", tags] or ["Margin", [value, lower, upper]]}}."""
        self._add(curves.layout(layout))

    def add_custom_scalars_multilinechart(self, tags: list[str], category: str = "default", title: str = "untitled") -> None:
        """One chart of several tags."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(self, tags: list[str], category: str = "default", title: str = "untitled") -> None:
        """One chart of a value between two bounds. AssertionError unless 3 tags."""
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_mesh(self, tag: str, vertices: Any, colors: Any = None, faces: Any = None, config_dict: Any = None, global_step: Any = None,
                 walltime: float | None = None) -> None:  # fmt: skip
        """Points [n, points, 3], colours of them, triangles [n, triangles, 3]; config_dict: for the plugin's scene."""
        config = json.dumps({} if config_dict is None else config_dict, sort_keys=True)
        self._add(summaries.mesh(tag, vertices, colors, faces, config), global_step, walltime)

    def flush(self) -> None:
        """Writes what waits."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the files; logging again opens new ones."""
        for writer in (self.all_writers or {}).values():
            writer.flush()
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
