"""nn.functional: padding, convolutions, normalisation, attention, activations, distances."""

from __future__ import annotations

from typing import Any

from rows.row import Of, Row

N = "nn.functional."
WHOLE = ("int64", "int32", "uint8", "bool", "complex64")  # made for real numbers; torch computes some of these by accident


def row(name: str, operands: Any = ((3, 4),), args: Any = (), label: str = "", empty: bool = False, **rest: Any) -> Row:
    return Row(N + name, operands, args, rest.pop("options", {}), label=label, empty=empty, **rest)


PADS = [
    ("2d", (3, 4), (1, 2)), ("both", (3, 4), (1, 2, 0, 1)), ("cut", (3, 4), (-1, 2)), ("none", (3, 4), ()),
    ("3d", (2, 3, 4), (1, 0, 2, 1, 0, 1)), ("first", (2, 3, 4), (0, 0, 0, 0, 2, 1)),
]  # fmt: skip
MODES = [("1", (2, 3, 5), (2, 1)), ("1-single", (3, 5), (0, 2)), ("2", (2, 3, 5, 4), (2, 1, 0, 3)), ("2-single", (3, 5, 4), (1, 1, 1, 1)),
         ("3", (1, 2, 4, 3, 5), (2, 1, 0, 2, 1, 1)), ("cut", (2, 3, 5), (-1, 2))]  # fmt: skip
PADDING = [
    *(row("pad", (s,), (p,), label=n) for n, s, p in PADS),
    row("pad", ((3, 4),), ((1, 2), "constant", 1.5), "value"),
    *(row("pad", (s,), (p, m), f"{m}-{n}") for m in ("reflect", "replicate", "circular") for n, s, p in MODES),
]

# of convolutions: torch's integer kernels refuse some sizes; half precision sums in another order
HALVES = ("bfloat16", "float16")
CONV: list[tuple[str, dict[str, Any]]] = [
    ("", {}), ("stride", {"stride": 2}), ("padding", {"padding": 1}), ("output", {"stride": 3, "padding": 2, "output_padding": 2}),
    ("dilation", {"dilation": 2, "padding": 1}), ("wide", {"stride": 1, "dilation": 3, "output_padding": 2}), ("all", {
        "stride": 2, "padding": 1, "output_padding": 1, "dilation": 2}),
]  # fmt: skip
CONVOLUTIONS = [
    *(row("conv_transpose1d", ((2, 4, 5), (4, 3, 3)), label=n, options=o, without=HALVES) for n, o in CONV),
    *(row("conv_transpose2d", ((2, 4, 5, 3), (4, 3, 3, 2)), label=n, options=o, without=HALVES) for n, o in CONV),
    row("conv_transpose1d", ((4, 5), (4, 3, 3), (3,)), label="single-bias"),
    row("conv_transpose2d", ((2, 4, 5, 3), (4, 3, 3, 2), (6,)), (2, 1, 1, 2), "groups", without=HALVES),
    row("conv_transpose2d", ((1, 2, 4, 3), (2, 2, 3, 2), (2,)), options={"stride": (2, 1), "padding": (1, 0)}, label="pairs"),
    row("conv_transpose3d", ((1, 2, 3, 4, 3), (2, 2, 2, 3, 2), (2,)), (2, 1, 1), "3d", without=HALVES),
    row("conv_tbc", ((5, 2, 3), (3, 3, 4), (4,)), call=lambda t, x, w, b: t.nn.functional.conv_tbc(x.contiguous(), w.contiguous(), b, 1), without=HALVES),
    row("bilinear", ((2, 5, 3), (2, 5, 4), (6, 3, 4), (6,)), without=HALVES),
    row("bilinear", ((5, 3), (5, 4), (2, 3, 4)), label="bare", without=HALVES),
    *(row("conv3d", ((1, 2, 4, 5, 4), (4, 2 // o.get("groups", 1), 3, 2, 3), (4,)), label=n, options=o, without=HALVES) for n, o in [
        ("", {}), ("stride", {"stride": (2, 1, 2), "padding": 1}), ("groups", {"groups": 2, "padding": "same"}), ("dilation", {
            "dilation": (1, 2, 1)})]),
    *(row("unfold", (s,), (k,), label=n, options=o) for n, s, k, o in [
        ("", (2, 3, 5, 6), 3, {}), ("single", (3, 5, 6), (2, 3), {}), ("patches", (2, 3, 4, 6), 2, {"stride": 2}),
        ("all", (2, 3, 7, 6), (3, 2), {"stride": 2, "padding": (1, 2), "dilation": 2})]),
    *(row("fold", (s,), args, label=n, options=o, without=("bool",)) for n, s, args, o in [
        ("", (2, 12, 12), ((4, 5), 2), {}), ("single", (12, 12), ((4, 5), 2), {}), ("patches", (2, 12, 6), ((4, 6), 2), {"stride": 2}),
        ("all", (2, 18, 20), ((7, 6), (3, 2)), {"stride": 2, "padding": (1, 2), "dilation": (1, 1)})]),
    row("pixel_shuffle", ((2, 12, 2, 3),), (2,)), row("pixel_unshuffle", ((2, 3, 4, 6),), (2,)), row("channel_shuffle", ((2, 6, 2, 3),), (3,)),
    row("pixel_shuffle", ((12, 2, 3),), (2,), "single"),
]  # fmt: skip

IMAGE = (3, 4, 3, 2)
NORMS = [
    row("group_norm", (IMAGE,), (2,), without=HALVES),
    row("group_norm", (IMAGE, (4,), (4,)), (), "affine", call=lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b, 0.1), without=HALVES),
    row("group_norm", ((3, 4), (4,)), (), "2d", call=lambda t, x, w: t.nn.functional.group_norm(x, 1, w), without=HALVES),
    row("instance_norm", (IMAGE,), without=HALVES, tol=4),
    row("instance_norm", (IMAGE, (4,), (4,)), (), "affine", call=lambda t, x, w, b: t.nn.functional.instance_norm(x, weight=w, bias=b, eps=0.1),
        without=HALVES),
    row("instance_norm", (IMAGE, Of((4,), "float64", -1, 1), Of((4,), "float64", 0.5, 1)), (False,), "running", grad=False,
        call=lambda t, x, m, v: t.nn.functional.instance_norm(x, m.to(x.dtype), v.to(x.dtype), use_input_stats=False), without=HALVES),
    row("rms_norm", (IMAGE,), ((2,),)), row("rms_norm", (IMAGE,), ((3, 2),), "two", options={"eps": 0.1}),
    row("rms_norm", (IMAGE, (3, 2)), (), "weight", call=lambda t, x, w: t.nn.functional.rms_norm(x, (3, 2), w)),
    row("local_response_norm", (IMAGE,), (3,), without=WHOLE), row("local_response_norm", (IMAGE,), (2, 0.1, 0.5, 2.0), "all", without=WHOLE),
    row("local_response_norm", ((2, 5, 3),), (4,), "3d", without=WHOLE),
    row("normalize"), row("normalize", ((2, 3, 4),), (1.0, -1), "p"),
]

QKV = ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 7))


def attention(label: str, operands: Any, masked: bool = False, **options: Any) -> Row:
    def call(t: Any, q: Any, k: Any, v: Any, *mask: Any) -> Any:
        return t.nn.functional.scaled_dot_product_attention(q, k, v, *mask, **options)

    return row("scaled_dot_product_attention", operands, (), label, call=call, without=HALVES, second=not options.get("enable_gqa"))


ATTENTION = [
    attention("", QKV), attention("causal", QKV, is_causal=True), attention("scale", QKV, scale=0.3),
    attention("float-mask", (*QKV, (4, 5))), attention("bool-mask", (*QKV, Of((2, 1, 4, 5), "bool"))),
    attention("3d", ((3, 4, 6), (3, 4, 6), (3, 4, 6)), is_causal=True), attention("2d", ((4, 6), (5, 6), (5, 6))),
    attention("gqa", ((2, 6, 4, 3), (2, 2, 5, 3), (2, 2, 5, 3)), enable_gqa=True),
]  # fmt: skip

PLAIN = "celu hardsigmoid hardswish mish softsign tanhshrink softshrink hardshrink hardtanh selu silu gelu relu6 elu leaky_relu softplus logsigmoid".split()
STEPS = ("mish", "tanhshrink", "softsign", "celu")  # torch rounds after each step
ACTIVATIONS = [
    *(row(n, empty=True, second=n != "hardsigmoid", without=(*HALVES, "bool", "complex64") if n in STEPS else ()) for n in PLAIN),
    row("celu", args=(0.7,), label="alpha"), row("glu", ((3, 6),), empty=True), row("glu", ((4, 3),), (0,), "dim"),
    row("hardshrink", args=(0.2,), label="lambd"), row("softshrink", args=(0.2,), label="lambd"),
    row("hardtanh", args=(-0.3, 1.5), label="bounds"), row("threshold", args=(0.1, 20.0)), row("threshold", args=(1, 3), label="ints"),
    row("prelu", ((3, 4), (4,))), row("prelu", ((3, 4, 2), (1,)), label="one"), row("rrelu", without=("bfloat16",)),
    row("prelu", ((3,), (1,)), label="1d"),
    *(row(n, operands, call=lambda t, x, n=n: getattr(t.nn.functional, n)(x.clone()), label="in place") for n, operands in [
        (n, ((3, 4),)) for n in ("relu_", "elu_", "celu_", "selu_", "leaky_relu_", "hardtanh_", "rrelu_")]),
    row("threshold_", call=lambda t, x: t.nn.functional.threshold_(x.clone(), 0.3, 2.0)),
]  # fmt: skip

DISTANCES = [
    row("cosine_similarity", ((3, 4), (3, 4))), row("cosine_similarity", ((2, 3, 4), (3, 4)), (-1, 2.0), "eps"),
    row("pairwise_distance", ((3, 4), (3, 4)), without=WHOLE), row("pairwise_distance", ((2, 3, 4), (4,)), (3.0, 0.1, True), "all", without=WHOLE),
    row("pairwise_distance", ((4,), (4,)), (1.0,), "1d", without=WHOLE),
    row("pdist", ((5, 3),), second=False), row("pdist", ((5, 3),), (1.0,), "1", second=False), row("pdist", ((5, 3),), (3.0,), "3", second=False),
    row("pdist", ((5, 3),), (float("inf"),), "inf", second=False), row("pdist", ((5, 3),), (0.0,), "0", grad=False),
]  # fmt: skip

ROWS = [*PADDING, *CONVOLUTIONS, *NORMS, *ATTENTION, *ACTIVATIONS, *DISTANCES]
