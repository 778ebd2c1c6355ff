"""Layers and models. Capital: PyTorch's Modules; lower case: Layers (pure functions over trees) and jax.nn's activations.

Inside: functional < pytree, loading, registry < hooks < module < layer, containers < affine, normalisation, simple, combinators.
"""

from fgrad.functions.tensor import Parameter
from fgrad.nn import functional, init, utils
from fgrad.nn.affine import Conv1d, Conv2d, Embedding, Linear, conv1d, conv2d, embedding, linear
from fgrad.nn.combinators import branches, serial
from fgrad.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from fgrad.nn.functional.activation import elu, leaky_relu, relu, relu6, selu, sigmoid, silu, softplus, tanh
from fgrad.nn.functional.activation import logsigmoid as log_sigmoid
from fgrad.nn.functional.normalisation import normalize
from fgrad.nn.functional.pooling import avg_pool2d, max_pool2d
from fgrad.nn.jax_style import gelu, log_softmax, logsumexp, one_hot, softmax, swish
from fgrad.nn.layer import Layer
from fgrad.nn.module import Module
from fgrad.nn.normalisation import (
    BatchNorm1d,
    BatchNorm2d,
    Dropout,
    LayerNorm,
    batch_norm1d,
    batch_norm2d,
    dropout,
    layer_norm,
)
from fgrad.nn.pytree import functional_call
from fgrad.nn.simple import (
    ELU,
    GELU,
    SELU,
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    Flatten,
    HuberLoss,
    Identity,
    KLDivLoss,
    L1Loss,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    MaxPool1d,
    MaxPool2d,
    MSELoss,
    NLLLoss,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    SmoothL1Loss,
    Softmax,
    Softplus,
    Tanh,
)

__all__ = [
    "ELU", "GELU", "SELU", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d", "BCELoss",
    "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d", "Conv1d", "Conv2d", "CrossEntropyLoss", "Dropout", "Embedding",
    "Flatten", "HuberLoss", "Identity", "KLDivLoss", "L1Loss", "Layer", "LayerNorm", "LeakyReLU", "Linear", "LogSigmoid",
    "LogSoftmax", "MSELoss", "MaxPool1d", "MaxPool2d", "Module", "ModuleDict", "ModuleList", "NLLLoss", "Parameter",
    "ParameterDict", "ParameterList", "ReLU", "ReLU6", "Sequential", "SiLU", "Sigmoid", "SmoothL1Loss", "Softmax", "Softplus", "Tanh",
    "avg_pool2d", "batch_norm1d", "batch_norm2d", "branches", "conv1d", "conv2d", "dropout", "elu", "embedding",
    "functional", "functional_call", "gelu", "init", "layer_norm", "leaky_relu", "linear", "log_sigmoid", "log_softmax",
    "logsumexp", "max_pool2d", "normalize", "one_hot", "relu", "relu6", "selu", "serial", "sigmoid", "silu", "softmax",
    "softplus", "swish", "tanh", "utils",
]  # fmt: skip
