"""Embeddings for TensorBoard's projector: vectors, labels and thumbnails as files, and their list."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from fgrad.errors import need
from fgrad.utils.tensorboard import pictures
from fgrad.utils.tensorboard.protos import array, proto


def encoded(tag: str) -> str:
    """A tag as a name of a folder."""
    return "".join(f"%{ord(c):02x}" if c in "%/\\" else c for c in tag)


def write_files(folder: Path, mat: Any, metadata: Any, images: Any, header: Any) -> None:
    """tensors.tsv, metadata.tsv and sprite.png. AssertionError where lengths differ."""
    if mat.ndim != 2:
        raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
    if metadata is not None and len(metadata) != len(mat):
        raise AssertionError("#labels should equal with #data points")
    if images is not None and len(images) != len(mat):
        raise AssertionError("#images should equal with #data points")
    if header and len(header) != len(metadata[0]):
        raise AssertionError("len of header must be equal to the number of columns in metadata")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tensors.tsv").write_text("".join("\t".join(str(v.item()) for v in row) + "\n" for row in mat))
    if metadata is not None:
        rows = ["\t".join(map(str, row)) for row in [header, *metadata]] if header else [str(x) for x in metadata]
        (folder / "metadata.tsv").write_text("\n".join(rows) + "\n")
    if images is not None:
        sheet = pictures.grid(images, math.ceil(math.sqrt(len(images)))).transpose(1, 2, 0)
        square = np.zeros((sheet.shape[1], sheet.shape[1], 3))
        square[: sheet.shape[0]] = sheet
        (folder / "sprite.png").write_bytes(pictures.png((square * 255).clip(0, 255).astype(np.uint8)))


def add(config: Any, root: Path, mat: Any, metadata: Any, label_img: Any, step: int, tag: str, header: Any) -> None:
    """Writes one embedding below `root` and enters it into the projector's list there."""
    below = f"{str(step).zfill(5)}/{encoded(tag)}"
    images = None if label_img is None else array(label_img)
    write_files(root / below, array(mat), metadata, images, header)
    info = proto("plugins.projector.projector_config_pb2").EmbeddingInfo()
    info.tensor_name, info.tensor_path = f"{tag}:{str(step).zfill(5)}", f"{below}/tensors.tsv"
    if metadata is not None:
        info.metadata_path = f"{below}/metadata.tsv"
    if images is not None:
        info.sprite.image_path = f"{below}/sprite.png"
        info.sprite.single_image_dim.extend([images.shape[3], images.shape[2]])
    config.embeddings.extend([info])
    text = need("google.protobuf.text_format", "tensorboard").MessageToString(config)
    (root / "projector_config.pbtxt").write_text(text)
