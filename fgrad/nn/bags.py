"""EmbeddingBag: rows of a table, bag by bag."""

from __future__ import annotations

from typing import Any

from fgrad.nn.affine import embedding_table
from fgrad.nn.functional.bags import embedding_bag as take_bags
from fgrad.nn.functional.lookup import limit_rows
from fgrad.nn.layer import Layer, LayerModule, Param, stateless


def embedding_bag(num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
                  scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, include_last_offset: bool = False,
                  padding_idx: int | None = None) -> Layer:  # fmt: skip
    """The "sum", "mean" or "max" of rows of a table: int[bags, size], or int[n] and offsets -> float[bags, embedding_dim].

    weight: float[num_embeddings, embedding_dim], standard normal, row padding_idx 0.  See nn.functional.embedding_bag.
    """
    if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
        raise AssertionError("padding_idx must be within num_embeddings")

    @stateless
    def apply(p: Any, index: Any, offsets: Any = None, weights: Any = None) -> Any:
        return take_bags(index, p["weight"], offsets, None, norm_type, scale_grad_by_freq, mode, sparse, weights, include_last_offset,
                         padding_idx)  # fmt: skip

    return Layer({"weight": Param((num_embeddings, embedding_dim), embedding_table(padding_idx))}, apply)


class EmbeddingBag(LayerModule, of=embedding_bag):
    """Table of vectors, taken in bags."""

    def __init__(self, *args: Any, _weight: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, held={} if _weight is None else {"weight": _weight}, **kwargs)
        if self.padding_idx is not None:
            object.__setattr__(self, "padding_idx", self.padding_idx % self.num_embeddings)

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """The bags; with max_norm, rows looked up are scaled down in the table itself."""
        if self.max_norm is not None:
            limit_rows(input, self.weight, self.max_norm, self.norm_type)
        return super().forward(input, offsets, per_sample_weights)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, max_norm: float | None = None, norm_type: float = 2.0,
                        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
                        include_last_offset: bool = False, padding_idx: int | None = None) -> EmbeddingBag:  # fmt: skip
        """A table with given numbers, which stay as they are if `freeze`."""
        if embeddings.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        new = cls(*embeddings.shape, max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx,
                  _weight=embeddings)  # fmt: skip
        new.weight.requires_grad_(not freeze)
        return new

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        own = self.__dict__
        given = {"max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False}
        parts = [f"{own['num_embeddings']}, {own['embedding_dim']}", *(f"{k}={own[k]}" for k, v in given.items() if own[k] != v)]
        parts.append(f"mode={own['mode']!r}")
        return ", ".join(parts + ([f"padding_idx={own['padding_idx']}"] if own["padding_idx"] is not None else []))
