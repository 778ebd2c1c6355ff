"""PyTorch's nn.modules: every layer at the path of the file where PyTorch has it, `nn.modules.conv.Conv2d`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from fgrad.functions.spellings import spelled
from fgrad.nn import (
    activations,
    affine,
    attention,
    bags,
    containers,
    dropout,
    everywhere,
    grouped,
    large_softmax,
    lazy,
    losses,
    normalisation,
    pooling,
    recurrent,
    shaping,
    transposed,
)
from fgrad.nn.module import Keys, Module
from fgrad.nn.modules.bases import BASES, Container, NonDynamicallyQuantizableLinear

ROOMS = (activations, affine, attention, bags, containers, dropout, grouped, large_softmax, lazy, losses, normalisation, pooling,
         recurrent, shaping, transposed)  # fmt: skip
FILES = {
    "activation": "Threshold ReLU RReLU Hardtanh ReLU6 Sigmoid Hardsigmoid Tanh SiLU Mish Hardswish ELU CELU SELU GLU GELU "
    "Hardshrink LeakyReLU LogSigmoid Softplus Softshrink MultiheadAttention PReLU Softsign Tanhshrink Softmin Softmax "
    "Softmax2d LogSoftmax",
    "adaptive": "AdaptiveLogSoftmaxWithLoss",
    "batchnorm": "BatchNorm1d LazyBatchNorm1d BatchNorm2d LazyBatchNorm2d BatchNorm3d LazyBatchNorm3d SyncBatchNorm _BatchNorm "
    "_NormBase",
    "channelshuffle": "ChannelShuffle",
    "container": "Container Sequential ModuleList ModuleDict ParameterList ParameterDict",
    "conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d LazyConv2d LazyConv3d "
    "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d _ConvNd _ConvTransposeNd",
    "distance": "PairwiseDistance CosineSimilarity",
    "dropout": "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout _DropoutNd",
    "flatten": "Flatten Unflatten",
    "fold": "Fold Unfold",
    "instancenorm": "InstanceNorm1d LazyInstanceNorm1d InstanceNorm2d LazyInstanceNorm2d InstanceNorm3d LazyInstanceNorm3d "
    "_InstanceNorm",
    "lazy": "LazyModuleMixin",
    "linear": "Identity Linear NonDynamicallyQuantizableLinear Bilinear LazyLinear",
    "linear_cross_entropy": "LinearCrossEntropyLoss",
    "linear_cross_entropy_options": "LinearCrossEntropyOptions",
    "loss": "L1Loss NLLLoss NLLLoss2d PoissonNLLLoss GaussianNLLLoss KLDivLoss MSELoss BCELoss BCEWithLogitsLoss HingeEmbeddingLoss "
    "MultiLabelMarginLoss SmoothL1Loss HuberLoss SoftMarginLoss CrossEntropyLoss LinearCrossEntropyLoss MultiLabelSoftMarginLoss "
    "CosineEmbeddingLoss MarginRankingLoss MultiMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss CTCLoss _Loss "
    "_WeightedLoss",
    "module": f"Module _IncompatibleKeys {' '.join(everywhere.__all__)}",
    "normalization": "LocalResponseNorm CrossMapLRN2d LayerNorm GroupNorm RMSNorm",
    "padding": "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d ReflectionPad2d "
    "ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d _CircularPadNd _ConstantPadNd "
    "_ReflectionPadNd _ReplicationPadNd",
    "pixelshuffle": "PixelShuffle PixelUnshuffle",
    "pooling": "MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d AvgPool1d AvgPool2d AvgPool3d FractionalMaxPool2d "
    "FractionalMaxPool3d LPPool1d LPPool2d LPPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AdaptiveAvgPool1d "
    "AdaptiveAvgPool2d AdaptiveAvgPool3d _MaxPoolNd _AvgPoolNd _MaxUnpoolNd _LPPoolNd _AdaptiveMaxPoolNd _AdaptiveAvgPoolNd",
    "rnn": "RNNBase RNN LSTM GRU RNNCellBase RNNCell LSTMCell GRUCell",
    "sparse": "Embedding EmbeddingBag",
    "transformer": "Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer TransformerDecoderLayer",
    "upsampling": "Upsample UpsamplingNearest2d UpsamplingBilinear2d",
}


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives a tuple of what it is given: `n` times a single thing, or the items of an iterable."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else tuple(itertools.repeat(x, n))

    parse.__name__ = name
    return parse


def _reverse_repeat_tuple(t: tuple[Any, ...], n: int) -> tuple[Any, ...]:
    """The items from last to first, each `n` times."""
    return tuple(x for x in reversed(t) for _ in range(n))


def _list_with_default(out_size: Any, defaults: list[int]) -> Any:
    """Sizes with None filled in from the ends of `defaults`."""
    if isinstance(out_size, int | tuple):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    given = defaults[-len(out_size) :]
    return [d if v is None else v for v, d in zip(out_size, given, strict=True)]


def _found() -> dict[str, Any]:
    """Every layer by name."""
    layers = {n: x for room in ROOMS for n, x in vars(room).items() if isinstance(x, type) and issubclass(x, Module)}
    others = {"Module": Module, "_IncompatibleKeys": Keys, "LazyModuleMixin": lazy.LazyModuleMixin, "Container": Container,
              "NonDynamicallyQuantizableLinear": NonDynamicallyQuantizableLinear,
              **{n: getattr(everywhere, n) for n in everywhere.__all__},
              "LinearCrossEntropyOptions": large_softmax.LinearCrossEntropyOptions}  # fmt: skip
    return {**layers, **BASES, **others}


_ALL = _found()
globals().update({file: spelled(f"{__name__}.{file}", {n: _ALL[n] for n in names.split()}) for file, names in FILES.items()})
utils = spelled(f"{__name__}.utils", {
    "_ntuple": _ntuple, "_single": _ntuple(1, "_single"), "_pair": _ntuple(2, "_pair"), "_triple": _ntuple(3, "_triple"),
    "_quadruple": _ntuple(4, "_quadruple"), "_reverse_repeat_tuple": _reverse_repeat_tuple,
    "_list_with_default": _list_with_default,
})  # fmt: skip
__all__ = sorted({n for names in FILES.values() for n in names.split() if not n.startswith("_")} & {*_ALL} - {*everywhere.__all__})
globals().update({n: _ALL[n] for n in __all__})
