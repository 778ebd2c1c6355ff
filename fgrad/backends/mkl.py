"""PyTorch's questions about MKL."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False: products of matrices are NumPy's, whatever library that has."""
    return False
