"""Short-time Fourier transforms; torch.fft has a file of its own, test_functions_fft.py."""

from __future__ import annotations

from rows.row import Row

SIGNAL = ((40,),)
ODD = ("bool", "int64", "int32", "uint8", "bfloat16", "float16")  # PyTorch's are of floats and complex numbers


def hann(t, n, x):  # type: ignore[no-untyped-def]
    return t.signal.windows.hann(n, sym=False, dtype=t.float64 if "64" in str(x.dtype) else t.float32)


def there_and_back(t, x, **options):  # type: ignore[no-untyped-def]
    w = hann(t, 8, x)
    return t.istft(t.stft(x, 8, 2, window=w, return_complex=True, **options), 8, 2, window=w, **options)


ROWS = [
    *(Row("stft", SIGNAL, call=lambda t, x, o=o: t.stft(x, 8, window=hann(t, 8, x), return_complex=True, **o), label=str(i), empty=False,
          without=(*ODD, "complex64")) for i, o in enumerate((
        {}, {"hop_length": 3}, {"center": False}, {"pad_mode": "constant"}, {"pad_mode": "replicate"}, {"normalized": True}, {"onesided": False}))),
    Row("stft", ((2, 40),), call=lambda t, x: t.stft(x, 9, 4, 5, return_complex=True), label="batch", empty=False, without=(*ODD, "complex64")),
    Row("stft", SIGNAL, call=lambda t, x: t.stft(x, 8, onesided=False, return_complex=True), label="complex", empty=False, without=ODD),
    *(Row("istft", s, call=lambda t, x, o=o: there_and_back(t, x, **o), label=f"{i}{len(s[0])}", empty=False, without=(*ODD, "complex64"), tol=10)
      for s in (SIGNAL, ((2, 40),)) for i, o in enumerate(({}, {"normalized": True}, {"onesided": False}))),
    Row("istft", SIGNAL, call=lambda t, x: t.istft(t.stft(x, 8, 2, window=hann(t, 8, x), return_complex=True), 8, 2, window=hann(t, 8, x), length=30),
        label="length", empty=False, without=(*ODD, "complex64"), tol=10),
]  # fmt: skip
