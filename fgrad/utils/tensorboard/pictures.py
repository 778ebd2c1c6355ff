"""Pictures as PNG, animations as GIF, sound as WAV: what TensorBoard shows."""

from __future__ import annotations

import io
import math
import wave
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, need
from fgrad.ir.apply import caller


def grid(images: Any, columns: int = 8) -> Any:
    """Pictures [n, 1 or 3, h, w] side by side, `columns` in a row: [3, rows*h, columns*w]."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise AssertionError("Input should be a 4D numpy array with 3 channels")
    n, _, h, w = images.shape
    columns = min(n, columns)
    rows = math.ceil(n / columns)
    tiles = np.zeros((rows * columns, 3, h, w), images.dtype)
    tiles[:n] = images
    return tiles.reshape(rows, columns, 3, h, w).transpose(2, 0, 3, 1, 4).reshape(3, rows * h, columns * w)


def to_hwc(x: Any, dataformats: str) -> Any:
    """A picture, or a grid of several, as [h, w, channels]; AssertionError where the letters do not fit."""
    letters = dataformats.upper()
    if len(set(letters)) != len(letters):
        raise AssertionError(f"You can not use the same dimension shorthand twice. input_format: {dataformats}")
    if x.ndim != len(letters):
        raise AssertionError("size of input tensor and input format are different. "
                             f"tensor shape: {x.shape}, input_format: {dataformats}")  # fmt: skip
    wanted = {4: "NCHW", 3: "HWC", 2: "HW"}.get(len(letters))
    if wanted is None or set(wanted) != set(letters):
        raise ArgumentError(f"dataformats {dataformats!r} names other axes than N, C, H and W", where=caller(),
                            fix="use an order of NCHW, CHW or HW")  # fmt: skip
    x = x.transpose([letters.index(c) for c in wanted])
    if wanted == "NCHW":
        return grid(x).transpose(1, 2, 0)
    x = x[:, :, None] if wanted == "HW" else x
    return np.repeat(x, 3, axis=2) if x.shape[2] == 1 else x


def bytes_of(x: Any) -> Any:
    """Pixels of 0 to 255; numbers that are not bytes are taken as 0 to 1."""
    return x if x.dtype == np.uint8 else (x.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)


def png(pixels: Any, rescale: float = 1, boxes: Any = None, labels: Any = None) -> bytes:
    """An encoded picture [h, w, 3 or 4], with rectangles [n, 4] (left, top, right, bottom) drawn in red."""
    library = need("PIL.Image", "tensorboard")
    image = library.fromarray(np.ascontiguousarray(pixels))
    for i, box in enumerate([] if boxes is None else boxes):
        draw_box(image, [float(v) for v in box], None if labels is None else labels[i])
    if rescale != 1:
        size = int(pixels.shape[1] * rescale), int(pixels.shape[0] * rescale)
        image = image.resize(size, library.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def draw_box(image: Any, box: list[float], label: str | None) -> None:
    """One rectangle, with its label at the lower left."""
    draw = need("PIL.ImageDraw", "tensorboard").Draw(image)
    left, top, right, bottom = box
    draw.line([(left, top), (left, bottom), (right, bottom), (right, top), (left, top)], width=2, fill="Red")
    if label:
        font = need("PIL.ImageFont", "tensorboard").load_default()
        x0, y0, x1, y1 = font.getbbox(label)
        width, height, edge = x1 - x0, y1 - y0, math.ceil(0.05 * (y1 - y0))
        draw.rectangle([(left, bottom - height - 2 * edge), (left + width, bottom)], fill="Red")
        draw.text((left + edge, bottom - height - edge), label, fill="black", font=font)


def film(x: Any) -> Any:
    """Videos [n, t, c, h, w] side by side in a grid of a power of two: [t, rows*h, columns*w, c]."""
    n, t, c, h, w = x.shape
    full = 1 << (n - 1).bit_length()
    rows = 1 << ((n.bit_length() - 1) // 2)
    tiles = np.zeros((full, t, c, h, w), x.dtype)
    tiles[:n] = x
    return tiles.reshape(rows, full // rows, t, c, h, w).transpose(2, 0, 4, 1, 5, 3).reshape(t, rows * h, full // rows * w, c)


def gif(frames: Any, fps: float) -> bytes:
    """An animation of frames [t, h, w, 1 or 3]."""
    library = need("PIL.Image", "tensorboard")
    frames = np.repeat(frames, 3, axis=3) if frames.shape[3] == 1 else frames
    first, *rest = [library.fromarray(np.ascontiguousarray(f)) for f in frames]
    out = io.BytesIO()
    first.save(out, format="GIF", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
    return out.getvalue()


def wav(x: Any, sample_rate: int) -> tuple[bytes, int]:
    """Sound of -1 to 1 (clipped) as 16-bit mono, and its length in frames. AssertionError unless 1-dimensional."""
    x = x.squeeze()
    if x.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    samples = (x.clip(-1, 1) * np.iinfo(np.int16).max).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(sample_rate)
        f.writeframes(samples.tobytes())
    return out.getvalue(), len(samples)


def figure_pixels(figure: Any, close: bool) -> Any:
    """A matplotlib figure as bytes [3, h, w]."""
    canvas = need("matplotlib.backends.backend_agg", "tensorboard").FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3].transpose(2, 0, 1).copy()
    if close:
        need("matplotlib.pyplot", "tensorboard").close(figure)
    return pixels
