"""PyTorch's nn.utils: clipping, parameters as one vector, parametrisations, pruning, fusing batch norms.

Inside: convert_parameters < prune; weight_norm < spectral_norm < parametrizations; parametrize < parametrizations.
"""

from __future__ import annotations

from fgrad.nn.utils import clip_grad as clip_grad
from fgrad.nn.utils import convert_parameters as convert_parameters
from fgrad.nn.utils import fusion as fusion
from fgrad.nn.utils import init as init
from fgrad.nn.utils import memory_format as memory_format
from fgrad.nn.utils import parametrizations as parametrizations
from fgrad.nn.utils import parametrize as parametrize
from fgrad.nn.utils import prune as prune
from fgrad.nn.utils import rnn as rnn
from fgrad.nn.utils import stateless as stateless
from fgrad.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from fgrad.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from fgrad.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights
from fgrad.nn.utils.init import skip_init
from fgrad.nn.utils.memory_format import convert_conv2d_weight_memory_format, convert_conv3d_weight_memory_format
from fgrad.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from fgrad.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "convert_conv2d_weight_memory_format",
    "convert_conv3d_weight_memory_format", "fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval",
    "fuse_linear_bn_weights", "get_total_norm", "parameters_to_vector", "remove_spectral_norm", "remove_weight_norm", "skip_init",
    "spectral_norm", "vector_to_parameters", "weight_norm",
]  # fmt: skip
