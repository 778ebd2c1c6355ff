"""PyTorch's question about OpenMP."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False: threads are those of NumPy's matrix library."""
    return False
