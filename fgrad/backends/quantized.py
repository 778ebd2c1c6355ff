"""PyTorch's flags of quantised kernels: kept and without effect."""

__all__ = ["engine", "supported_engines"]

engine, supported_engines = "none", ["none"]
