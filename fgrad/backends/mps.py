"""PyTorch's questions about Apple's GPUs."""

__all__ = ["is_available", "is_built", "is_macos13_or_newer", "is_macos_or_newer"]


def is_available() -> bool:
    """False: NumPy and CuPy are the backends."""
    return False


def is_built() -> bool:
    """False, for the same reason."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """False, for the same reason."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """False, for the same reason."""
    return False
