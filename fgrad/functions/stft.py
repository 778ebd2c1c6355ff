"""PyTorch's short-time Fourier transform and its inverse."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError
from fgrad.functions.arrange import constant_pad_nd
from fgrad.functions.complex import real
from fgrad.functions.exchange import placed
from fgrad.functions.fft import fft, ifft, irfft, rfft
from fgrad.functions.pointwise import div, mul
from fgrad.functions.shape import narrow, reshape, transpose, unsqueeze
from fgrad.ir.apply import caller

__all__ = ["istft", "stft"]

PADS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "constant": "constant"}


def _window(x: Any, window: Any, win_length: int, n_fft: int) -> Any:
    """The window (ones if None) in the middle of `n_fft` points."""
    if window is None:
        window = x.new_ones(win_length, dtype=real(x).dtype)
    if window._type.shape != (win_length,):
        raise ArgumentError(f"expected a 1D window tensor of size equal to win_length={win_length}, but got window with size "
                            f"{list(window._type.shape)}", where=caller(), fix="match the window and win_length")  # fmt: skip
    left = (n_fft - win_length) // 2
    return constant_pad_nd(window, (left, n_fft - win_length - left)) if win_length < n_fft else window


def _lengths(name: str, n_fft: int, hop_length: int | None, win_length: int | None, most: int | None) -> tuple[int, int]:
    hop = n_fft // 4 if hop_length is None else hop_length
    win = n_fft if win_length is None else win_length
    if n_fft <= 0 or (most is not None and n_fft > most):
        raise ArgumentError(f"{name}: expected 0 < n_fft <= {most}, but got n_fft={n_fft}", where=caller(), fix="use a shorter transform")
    if hop <= 0:
        raise ArgumentError(f"{name}: expected hop_length > 0, but got hop_length={hop}", where=caller(), fix="use 1 or more")
    if not 0 < win <= n_fft:
        raise ArgumentError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={win}", where=caller(), fix="use a shorter window")
    return hop, win


@full_precision("cpu", "cuda")
def stft(input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
         center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
         return_complex: bool | None = None, align_to_window: bool | None = None) -> Any:  # fmt: skip
    """Transforms of windows of `n_fft` points, `hop_length` (n_fft // 4) apart: complex[..., frequencies, frames].

    input: x[length] or x[batch, length].  center: frames are centred, the ends padded by `pad_mode`.  normalized: divided by
    sqrt(n_fft).  onesided: non-negative frequencies alone (the default for real input).
    """
    if input._type.ndim not in (1, 2):
        raise ArgumentError(f"stft: expected a 1D or 2D tensor, but got a {input._type.ndim}D tensor", where=caller(), fix="flatten the batch")
    if not return_complex and input._type.dtype.kind != "c":
        raise ArgumentError("stft requires the return_complex parameter be given as True.", where=caller(),
                            fix="pass return_complex=True, and view_as_real the result if you want parts")  # fmt: skip
    is_complex = input._type.dtype.kind == "c"
    one_sided = not is_complex if onesided is None else onesided
    if one_sided and is_complex:
        raise ArgumentError("Cannot have onesided output if window or input is complex", where=caller(), fix="pass onesided=False")
    x = input if input._type.ndim == 2 else unsqueeze(input, 0)
    n = x._type.shape[1]
    places = np.arange(n)
    half = n_fft // 2
    if center:
        if pad_mode not in PADS:
            raise ArgumentError(f"stft: no pad_mode {pad_mode!r}", where=caller(), fix=f"use one of {', '.join(PADS)}")
        if pad_mode == "constant":
            x, places = constant_pad_nd(x, (half, half)), np.arange(n + 2 * half)
        elif half >= n:
            raise ArgumentError(f"Padding size should be less than the input's, but got padding {half} of {n}", where=caller(), fix="use a shorter n_fft")
        else:
            places = np.pad(places, half, mode=PADS[pad_mode])  # type: ignore[call-overload]  # a literal of its own
    hop, win = _lengths("stft", n_fft, hop_length, win_length, len(places))
    starts = np.arange(0, len(places) - n_fft + 1, hop)
    rows = placed(type(x)._result, places[starts[:, None] + np.arange(n_fft)], x._device)
    frames = mul(x[:, rows], _window(x, window, win, n_fft))
    y = (rfft if one_sided else fft)(frames, norm="ortho" if normalized else None)
    y = transpose(y, 1, 2)
    return y if input._type.ndim == 2 else reshape(y, y._type.shape[1:])


def istft(input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
          center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
          return_complex: bool = False) -> Any:  # fmt: skip
    """The inverse of `stft`: frames windowed, added where they overlap, divided by the sum of the squared windows.

    input: complex[(batch,) frequencies, frames].  length: of the result; the rest is cut, or filled with 0.
    """
    if input._type.dtype.kind != "c" or input._type.ndim not in (2, 3):
        raise ArgumentError("istft requires a complex-valued input tensor matching the output from stft with return_complex=True.",
                            where=caller(), fix="pass what stft gave")  # fmt: skip
    spec = input if input._type.ndim == 3 else unsqueeze(input, 0)
    batch, bins, count = spec._type.shape
    one_sided = (bins != n_fft) if onesided is None else onesided
    if bins != (n_fft // 2 + 1 if one_sided else n_fft):
        raise ArgumentError(f"istft: {bins} frequencies do not belong to n_fft={n_fft}", where=caller(), fix="pass the n_fft of stft")
    hop, win = _lengths("istft", n_fft, hop_length, win_length, None)
    norm = "ortho" if normalized else None
    frames = transpose(spec, 1, 2)
    frames = irfft(frames, n_fft, norm=norm) if one_sided else ifft(frames, norm=norm)
    frames = frames if one_sided or return_complex else real(frames)
    weights = _window(spec, window, win, n_fft)
    total = n_fft + hop * (count - 1)
    at = placed(type(spec)._result, (hop * np.arange(count)[:, None] + np.arange(n_fft)).reshape(-1), spec._device)
    pieces = reshape(mul(frames, weights), (batch, -1))
    y = pieces.new_zeros(batch, total).index_add(1, at, pieces)
    squares = reshape(mul(weights, weights).expand(count, n_fft), (-1,))
    envelope = squares.new_zeros(total).index_add(0, at, squares)
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else total - (n_fft // 2 if center else 0)
    cut = min(stop, total) - start
    y = div(narrow(y, 1, start, cut), _nonzero(narrow(envelope, 0, start, cut)))
    y = constant_pad_nd(y, (0, stop - start - cut)) if stop - start > cut else y
    return y if input._type.ndim == 3 else reshape(y, y._type.shape[1:])


def _nonzero(envelope: Any) -> Any:
    """The sum of squared windows; where it vanishes nothing can be restored."""
    if envelope._data is not None and envelope._data.size and float(abs(envelope._data).min()) < 1e-11:
        raise ArgumentError("window overlap add min: 1", where=caller(), fix="use a window and hop that cover every sample")
    return envelope
