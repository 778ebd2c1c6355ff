"""Benchmarks against PyTorch and JAX: each runner alone in its process, rounds interleaved, results compared first.

`python -m benchmarks --list` names the rows. Inside: faces, load < rows < worker < measure < report < __main__.
"""
