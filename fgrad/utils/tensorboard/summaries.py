"""Summaries of numbers, histograms, pictures, sound, text and tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, DtypeError
from fgrad.ir.apply import caller
from fgrad.utils.tensorboard import pictures
from fgrad.utils.tensorboard.protos import array, of_plugin, proto, shape_of, summary, tensor_of

FIELDS = {
    "float16": ("DT_HALF", "half_val"), "bfloat16": ("DT_BFLOAT16", "half_val"), "float32": ("DT_FLOAT", "float_val"),
    "float64": ("DT_DOUBLE", "double_val"), "int8": ("DT_INT8", "int_val"), "int16": ("DT_INT16", "int_val"),
    "int32": ("DT_INT32", "int_val"), "int64": ("DT_INT64", "int64_val"), "uint8": ("DT_UINT8", "uint32_val"),
    "bool": ("DT_BOOL", "bool_val"), "complex64": ("DT_COMPLEX64", "scomplex_val"), "complex128": ("DT_COMPLEX128", "dcomplex_val"),
}  # fmt: skip


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> Any:
    """One number; AssertionError for several."""
    x = array(value).squeeze()
    if x.ndim:
        raise AssertionError(f"Tensor should contain one element (0 dimensions). Was given size: {x.size} and {x.ndim} dimensions.")
    if not new_style:
        return summary(tag, simple_value=float(x))
    held = tensor_of("DT_DOUBLE", double_val=[float(x)]) if double_precision else tensor_of("DT_FLOAT", float_val=[float(x)])
    return summary(tag, of_plugin("scalars"), tensor=held)


def tensor(tag: str, value: Any) -> Any:
    """A tensor of any shape. DtypeError for a dtype TensorBoard has no field for."""
    x = value.detach().cpu().numpy()
    if x.nbytes >= 1 << 31:
        raise ArgumentError("tensor is bigger than protocol buffer's hard limit of 2GB in size", where=caller(), fix="log a part of it")
    if x.dtype.name not in FIELDS:
        raise DtypeError(f"{tag} has unsupported tensor dtype {value.dtype}", where=caller(), fix="convert it first")
    dtype, field = FIELDS[x.dtype.name]
    flat = np.ascontiguousarray(x).reshape(-1)
    if field == "half_val":
        flat = flat.view(np.uint16)  # the bits, as the format has them
    elif x.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    return summary(tag, of_plugin("tensor"), tensor=tensor_of(dtype, x.shape, **{field: flat.tolist()}))


def text(tag: str, value: str) -> Any:
    """A text (Markdown)."""
    content = proto("plugins.text.plugin_data_pb2").TextPluginData(version=0).SerializeToString()
    return summary(tag + "/text_summary", of_plugin("text", content), tensor=tensor_of("DT_STRING", (1,), string_val=[value.encode()]))


def default_bins() -> list[float]:
    """TensorFlow's edges: powers of 1.1 from 1e-12 to 1e20, and their negatives."""
    edges = []
    v = 1e-12
    while v < 1e20:
        edges.append(v)
        v *= 1.1
    return [*[-e for e in reversed(edges)], 0.0, *edges]


def merged(counts: Any, limits: Any, max_bins: int) -> tuple[Any, Any]:
    """Neighbouring bins together, so that about max_bins are left."""
    step = len(counts) // max_bins
    rest = len(counts) % step
    padded = np.pad(counts, (0, step - rest if rest else 0))
    kept = padded.reshape(-1, step).sum(-1)
    return kept, np.append(limits[:-1:step], limits[-1])


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> Any:
    """Counts of values in bins; empty bins at both ends are left out. bins: edges, or NumPy's ways to choose them."""
    x = array(values).astype(np.float64).reshape(-1)
    if not x.size:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(x, bins=default_bins() if isinstance(bins, str) and bins == "tensorflow" else bins)
    if max_bins is not None and len(counts) > max_bins:
        counts, limits = merged(counts, limits, max_bins)
    used = np.flatnonzero(counts)
    if not used.size:
        raise ValueError("The histogram is empty: no value lies in a bin")
    first, last = int(used[0]), int(used[-1])
    shown = counts[first - 1 : last + 1] if first else np.concatenate([[0], counts[: last + 1]])  # an empty bin leads
    return histogram_raw(tag, x.min(), x.max(), x.size, x.sum(), x.dot(x), limits[first : last + 2].tolist(), shown.tolist())


def histogram_raw(tag: str, least: Any, most: Any, num: Any, total: Any, squares: Any, limits: Any, counts: Any) -> Any:
    """A histogram counted elsewhere; limits[i] is the upper edge of bin i."""
    made = proto("summary").HistogramProto(min=float(least), max=float(most), num=float(num), sum=float(total), sum_squares=float(squares),
                                           bucket_limit=[float(v) for v in limits], bucket=[float(v) for v in counts])  # fmt: skip
    return summary(tag, histo=made)


def image(tag: str, x: Any, dataformats: str, rescale: float = 1, boxes: Any = None, labels: Any = None) -> Any:
    """A picture, or a grid of several."""
    pixels = pictures.bytes_of(pictures.to_hwc(array(x), dataformats))
    h, w, c = pixels.shape
    encoded = pictures.png(pixels, rescale, None if boxes is None else array(boxes), labels)
    return summary(tag, image=proto("summary").Summary.Image(height=h, width=w, colorspace=c, encoded_image_string=encoded))


def video(tag: str, x: Any, fps: float) -> Any:
    """Videos [n, t, c, h, w] as one animation."""
    x = array(x)
    if x.ndim != 5:
        raise ArgumentError(f"add_video: {x.ndim} axes", where=caller(), fix="give videos [n, t, c, h, w]")
    frames = pictures.film(pictures.bytes_of(x))
    _, h, w, c = frames.shape
    made = proto("summary").Summary.Image(height=h, width=w, colorspace=c, encoded_image_string=pictures.gif(frames, fps))
    return summary(tag, image=made)


def audio(tag: str, x: Any, sample_rate: int) -> Any:
    """Mono sound."""
    encoded, n = pictures.wav(array(x), sample_rate)
    made = proto("summary").Summary.Audio(sample_rate=sample_rate, num_channels=1, length_frames=n, encoded_audio_string=encoded,
                                          content_type="audio/wav")  # fmt: skip
    return summary(tag, audio=made)


def mesh(tag: str, vertices: Any, colors: Any, faces: Any, config: str) -> Any:
    """Points and triangles: vertices [n, points, 3], colors likewise, faces [n, triangles, 3]."""
    kinds = proto("plugins.mesh.plugin_data_pb2").MeshPluginData
    helper = proto("plugins.mesh.metadata")
    parts = [(array(x), k) for x, k in ((vertices, kinds.VERTEX), (faces, kinds.FACE), (colors, kinds.COLOR)) if x is not None]
    mask = helper.get_components_bitmask([k for _, k in parts])
    kind = proto("summary").Summary
    values = [
        kind.Value(tag=helper.get_instance_name(tag, k), tensor=proto("tensor").TensorProto(
            dtype="DT_FLOAT", float_val=x.reshape(-1).astype(float).tolist(), tensor_shape=shape_of(x.shape)),
            metadata=helper.create_summary_metadata(tag, None, k, mask, list(x.shape), None, json_config=config))
        for x, k in parts
    ]  # fmt: skip
    return kind(value=values)
