"""optax.tree_utils: the functions of optim.tree under their longer names."""

from fgrad.optim import trees as _trees

__all__ = [f"tree_{name}" for name in _trees.__all__]


def __getattr__(name: str) -> object:
    """tree_<name>."""
    if name in __all__:
        return getattr(_trees, name.removeprefix("tree_"))
    raise AttributeError(f"module 'fgrad.optim.tree_utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
