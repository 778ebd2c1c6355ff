"""The UCI optical digits shipped with the package, split for training, validation and test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Split(NamedTuple):
    """Images float32[n, 8, 8] in 0..1 and labels int64[n]."""

    images: Any
    labels: Any


def load() -> tuple[Split, Split, Split]:
    """(train, validation, test): 1,257, 180 and 360 images in a fixed random order."""
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        images = file["images"].astype(np.float32) / 16
        labels = file["labels"].astype(np.int64)
    order = np.random.Generator(np.random.Philox(0)).permutation(len(labels))
    images, labels = images[order], labels[order]
    a, b = len(labels) * 7 // 10, len(labels) * 8 // 10
    return tuple(Split(images[i:j], labels[i:j]) for i, j in ((0, a), (a, b), (b, len(labels))))  # type: ignore[return-value]


def macro_f1(predicted: Any, labels: Any, classes: int = 10) -> float:
    """The mean over classes of 2 TP / (2 TP + FP + FN)."""
    scores = []
    for k in range(classes):
        hit = int(np.sum((predicted == k) & (labels == k)))
        wrong = int(np.sum((predicted == k) != (labels == k)))
        scores.append(2 * hit / (2 * hit + wrong) if hit or wrong else 1.0)
    return float(np.mean(scores))
