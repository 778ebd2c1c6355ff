"""Multi-head attention and the Transformer: modules of modules, with PyTorch's names of parts and parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from fgrad.functions.creation import full, zeros
from fgrad.functions.shape import transpose
from fgrad.functions.tensor import Parameter
from fgrad.functions.triangles import triu
from fgrad.nn import functional as f
from fgrad.nn import init
from fgrad.nn.affine import Linear, linear
from fgrad.nn.containers import ModuleList
from fgrad.nn.dropout import Dropout
from fgrad.nn.functional.attention import as_scores
from fgrad.nn.module import Module
from fgrad.nn.normalisation import LayerNorm
from fgrad.nn.sdpa import SDPBackend as SDPBackend
from fgrad.nn.sdpa import sdpa_kernel as sdpa_kernel


class NonDynamicallyQuantizableLinear(Linear, of=linear):
    """Linear, under the name that PyTorch shows in attention."""


def empty(shape: tuple[int, ...], device: Any, dtype: Any) -> Any:
    """A parameter to be filled."""
    return Parameter(zeros(shape, device=device, dtype=dtype))


class MultiheadAttention(Module):
    """Attention in several parts: forward(query, key, value) -> (result, weights); see nn.functional.

    query: float[l, n, embed_dim], key: float[s, n, kdim], value: float[s, n, vdim]; batch_first: [n, l, ...]; n may be
    absent.  add_bias_kv: one more key and value, learned; add_zero_attn: one of zeros.  Weights start by Xavier's rule,
    biases at 0.  Source: Vaswani et al. 2017.

    >>> import fgrad
    >>> x = fgrad.ones(5, 2, 8)
    >>> y, weights = fgrad.nn.MultiheadAttention(8, 2)(x, x, x)
    >>> y.shape, weights.shape
    (fgrad.Size([5, 2, 8]), fgrad.Size([2, 5, 5]))
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
                 add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} instead")
        super().__init__()
        self.embed_dim, self.kdim, self.vdim = embed_dim, kdim or embed_dim, vdim or embed_dim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        whole = self._qkv_same_embed_dim
        shapes = {
            "q_proj_weight": None if whole else (embed_dim, embed_dim),
            "k_proj_weight": None if whole else (embed_dim, self.kdim),
            "v_proj_weight": None if whole else (embed_dim, self.vdim),
            "in_proj_weight": (3 * embed_dim, embed_dim) if whole else None,
            "in_proj_bias": (3 * embed_dim,) if bias else None,
        }
        for name, shape in shapes.items():
            self.register_parameter(name, None if shape is None else empty(shape, device, dtype))
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, empty((1, 1, embed_dim), device, dtype) if add_bias_kv else None)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name, p in self._parameters.items():
            if p is not None and name.endswith("weight"):
                init.xavier_uniform_(p)
            elif p is not None and name.startswith("bias"):
                init.xavier_normal_(p)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def forward(self, query: Any, key: Any, value: Any, key_padding_mask: Any = None, need_weights: bool = True,
                attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False) -> tuple[Any, Any]:  # fmt: skip
        """(result, weights or None); masks are True (or -inf) where a key takes no part."""
        turned = self.batch_first and query.ndim == 3
        if turned:
            made: dict[int, Any] = {}
            for x in (query, key, value):
                made.setdefault(id(x), transpose(x, 0, 1))
            query, key, value = (made[id(x)] for x in (query, key, value))
        y, weights = f.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v,
            self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask,
            need_weights, attn_mask, not self._qkv_same_embed_dim, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return (transpose(y, 0, 1) if turned else y), weights


def activation_of(activation: Any) -> Any:
    """A function, or "relu" or "gelu"."""
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return f.relu if activation == "relu" else f.gelu


class TransformerBlock(Module):
    """What encoder and decoder layers share: attention to itself, a network of two layers, normalisations."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int, dropout: float, activation: Any, layer_norm_eps: float,
                 batch_first: bool, norm_first: bool, bias: bool, crossed: bool, made: dict[str, Any]) -> None:  # fmt: skip
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **made)
        if crossed:
            self.multihead_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **made)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        names = ("1", "2", "3") if crossed else ("1", "2")
        for i in names:
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made))
        for i in names:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = activation_of(activation)

    def _feed(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _residual(self, x: Any, i: int, block: Callable[[Any], Any]) -> Any:
        """x + dropout(block(norm(x))), or norm(x + dropout(block(x)))."""
        norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        return x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))


def attend(attention: Any, x: Any, memory: Any, mask: Any, padding: Any, causal: bool) -> Any:
    """The result of attention alone; `memory` None: to itself."""
    other = x if memory is None else memory
    return attention(x, other, other, attn_mask=mask, key_padding_mask=padding, is_causal=causal, need_weights=False)[0]


class TransformerEncoderLayer(TransformerBlock):
    """Attention to itself, then a network of two layers, each added to its input and normalised.

    norm_first: normalised before instead.  activation: "relu", "gelu" or a function.  Source: Vaswani et al. 2017.
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: Any = f.relu,
                 layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, False,
                         {"device": device, "dtype": dtype})  # fmt: skip

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """float[s, n, d_model] (batch_first: [n, s, d_model]) of the same shape."""
        mask, padding = as_scores(src_mask, src), as_scores(src_key_padding_mask, src)
        x = self._residual(src, 1, lambda y: attend(self.self_attn, y, None, mask, padding, is_causal))
        return self._residual(x, 2, self._feed)


class TransformerDecoderLayer(TransformerBlock):
    """As TransformerEncoderLayer, with attention to the encoder's results between."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: Any = f.relu,
                 layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, True,
                         {"device": device, "dtype": dtype})  # fmt: skip

    def forward(self, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
                memory_key_padding_mask: Any = None, tgt_is_causal: bool = False, memory_is_causal: bool = False) -> Any:  # fmt: skip
        """float[t, n, d_model] of the same shape, with memory: float[s, n, d_model]."""
        x = self._residual(tgt, 1, lambda y: attend(self.self_attn, y, None, tgt_mask, tgt_key_padding_mask, tgt_is_causal))
        x = self._residual(x, 2, lambda y: attend(self.multihead_attn, y, memory, memory_mask, memory_key_padding_mask, memory_is_causal))
        return self._residual(x, 3, self._feed)


def clones(layer: Module, n: int) -> ModuleList:
    """Copies of a layer."""
    return ModuleList([copy.deepcopy(layer) for _ in range(n)])


class TransformerEncoder(Module):
    """Copies of an encoder layer in a row, then `norm` if there is one. enable_nested_tensor, mask_check: accepted."""

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None, enable_nested_tensor: bool = True,
                 mask_check: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.layers = clones(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None) -> Any:
        """float[s, n, d_model] through all layers; is_causal: a hint that `mask` is the causal one."""
        mask, padding = as_scores(mask, src), as_scores(src_key_padding_mask, src)
        for layer in self.layers:
            src = layer(src, src_mask=mask, is_causal=bool(is_causal), src_key_padding_mask=padding)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Copies of a decoder layer in a row, then `norm` if there is one."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = clones(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(self, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
                memory_key_padding_mask: Any = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False) -> Any:  # fmt: skip
        """float[t, n, d_model] through all layers."""
        for layer in self.layers:
            tgt = layer(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                        memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=bool(tgt_is_causal),
                        memory_is_causal=memory_is_causal)  # fmt: skip
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """Encoder and decoder: forward(src, tgt) -> float[t, n, d_model]. All matrices start by Xavier's rule.

    Source: Vaswani et al. 2017.
    """

    def __init__(self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
                 dim_feedforward: int = 2048, dropout: float = 0.1, activation: Any = f.relu, custom_encoder: Any = None,
                 custom_decoder: Any = None, layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False,
                 bias: bool = True, device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        made = {"device": device, "dtype": dtype}
        given = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)

        if custom_encoder is None:
            custom_encoder = TransformerEncoder(TransformerEncoderLayer(*given, **made), num_encoder_layers, norm())
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*given, **made), num_decoder_layers, norm())
        self.encoder, self.decoder = custom_encoder, custom_decoder
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(self, src: Any, tgt: Any, src_mask: Any = None, tgt_mask: Any = None, memory_mask: Any = None,
                src_key_padding_mask: Any = None, tgt_key_padding_mask: Any = None, memory_key_padding_mask: Any = None,
                src_is_causal: bool | None = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False) -> Any:  # fmt: skip
        """float[t, n, d_model] from src: float[s, n, d_model] and tgt: float[t, n, d_model]."""
        at = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[at] != tgt.shape[at]:
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
                            memory_is_causal=memory_is_causal)  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The causal mask, -inf above the diagonal: float[sz, sz]."""
        return triu(full((sz, sz), float("-inf"), dtype=dtype, device=device), 1)
