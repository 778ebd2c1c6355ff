"""Benchmarks against PyTorch and JAX: each peer alone in its process, rounds interleaved, results compared first.

`python -m benchmarks mlp` prints ratios to the best peer. Inside: mlp < worker < __main__.
"""
