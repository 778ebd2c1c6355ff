"""Dropout as a Layer, and its Modules."""

from __future__ import annotations

from typing import Any

from fgrad import random
from fgrad.functions.pointwise import where
from fgrad.nn import functional as f
from fgrad.nn.functional.dropout import check_probability
from fgrad.nn.functional.dropout import dropout as drop_elements
from fgrad.nn.layer import Layer, LayerModule
from fgrad.nn.module import Module


def dropout(p: float = 0.5, inplace: bool = False) -> Layer:
    """Each element zeroed with probability `p` in training, the others divided by 1 - p.

    Pure form: pass `key`; the Module draws from the global generator.  Source: Srivastava et al. 2014.
    """
    check_probability(p)

    def apply(params: Any, state: Any, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
        if key is None:
            return drop_elements(x, p, train, inplace), state
        if not train or p == 0:
            return x, state
        keep = random.bernoulli(key, 1 - p, x.shape)
        return where(keep, x / (1 - p), 0.0), state

    return Layer({}, apply)


class Dropout(LayerModule, of=dropout):
    """Dropout of elements."""


class DropoutOf(Module):
    """What the other dropouts share: a function of nn.functional, applied in training."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        """The arguments."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(DropoutOf):
    """Dropout of whole channels of sequences."""

    def forward(self, input: Any) -> Any:
        """See nn.functional.dropout1d."""
        return f.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(DropoutOf):
    """Dropout of whole channels of images."""

    def forward(self, input: Any) -> Any:
        """See nn.functional.dropout2d."""
        return f.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(DropoutOf):
    """Dropout of whole channels of volumes."""

    def forward(self, input: Any) -> Any:
        """See nn.functional.dropout3d."""
        return f.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(DropoutOf):
    """Dropout that keeps the mean and variance that SELU keeps."""

    def forward(self, input: Any) -> Any:
        """See nn.functional.alpha_dropout."""
        return f.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(DropoutOf):
    """AlphaDropout of whole channels."""

    def forward(self, input: Any) -> Any:
        """See nn.functional.feature_alpha_dropout."""
        return f.feature_alpha_dropout(input, self.p, self.training)
