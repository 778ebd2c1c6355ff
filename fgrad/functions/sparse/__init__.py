"""Sparse tensors: a pattern of indices that is data, and values that have gradients. Imports the dense functions.

Inside: coo < joins < csr < making.  `layouts` has their base class and the door for functions such as `mm`.
"""

from fgrad.functions.sparse.coo import SparseCoo
from fgrad.functions.sparse.csr import SparseCsr
from fgrad.functions.sparse.joins import hspmm, smm, spmm, sspaddmm
from fgrad.functions.sparse.making import sparse_compressed_tensor, sparse_coo_tensor, sparse_csr_tensor, to_sparse

__all__ = [
    "SparseCoo", "SparseCsr", "hspmm", "smm", "sparse_compressed_tensor", "sparse_coo_tensor", "sparse_csr_tensor", "spmm", "sspaddmm",
    "to_sparse",
]  # fmt: skip
