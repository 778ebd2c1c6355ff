"""Tools around training: data loading. Imports everything below `nn`."""

from fgrad.utils import data

__all__ = ["data"]
