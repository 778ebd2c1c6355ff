"""nn.functional: losses."""

from __future__ import annotations

import itertools
from typing import Any

from rows.row import Of, Row

N = "nn.functional."
WHOLE = ("int64", "int32", "uint8", "bool", "complex64")  # made for real numbers
HALVES = ("bfloat16", "float16")  # torch rounds after each step
REDUCTIONS = ("mean", "sum", "none")


def row(name: str, operands: Any, label: str = "", **rest: Any) -> Row:
    """Operands besides the first are converted to its dtype."""
    options, own = rest.pop("options", {}), rest.pop("call", None)

    def call(t: Any, x: Any, *xs: Any) -> Any:
        more = [y.to(x.dtype) if y.is_floating_point() else y for y in xs]
        return own(t, x, *more) if own else getattr(t.nn.functional, name)(x, *more, **options)

    return Row(N + name, operands, label=label, call=call, empty=False, without=(*WHOLE, *HALVES), **rest)


def each(name: str, operands: Any, variants: Any = ((("plain", {}),)), **rest: Any) -> list[Row]:
    """Every reduction with every variant of the other arguments."""
    return [row(name, operands, f"{v}-{r}", options={**o, "reduction": r}, **rest) for (v, o), r in itertools.product(variants, REDUCTIONS)]


SIGN = Of((3, 4), "float64", -1, 1)


def signed(name: str, n: int, shapes: Any, variants: Any, rank: int = 2, second: bool = True) -> list[Row]:
    """Targets of 1 and -1 from numbers of either sign."""
    target = Of(shapes[0][:rank], "float64", -1, 1)

    def make(o: dict[str, Any]) -> Any:
        def call(t: Any, *xs: Any) -> Any:
            y = t.where(xs[-1].detach() > 0, 1.0, -1.0).to(xs[0].dtype)
            return getattr(t.nn.functional, name)(*xs[:-1], y if rank else y.reshape(()), **o)
        return call

    return [row(name, (*shapes[:n], target), f"{v}-{r}", call=make({**o, "reduction": r}), second=second)
            for (v, o), r in itertools.product(variants, REDUCTIONS)]  # fmt: skip


PLAIN = [("plain", {})]
PAIR = ((3, 4), (3, 4))
TRIPLE = ((3, 4), (3, 4), (3, 4))


def distance(t: Any) -> Any:
    return lambda a, b: 1 - t.nn.functional.cosine_similarity(a, b)


def ctc(label: str, shapes: Any, lengths: Any, **options: Any) -> Row:
    inputs, targets = lengths

    def call(t: Any, x: Any, y: Any) -> Any:
        logp = t.nn.functional.log_softmax(x, -1)
        as_given = t.tensor if options.get("tensors") else (lambda v: v)
        o = {k: v for k, v in options.items() if k != "tensors"}
        return t.nn.functional.ctc_loss(logp, y, as_given(inputs), as_given(targets), **o)

    return row("ctc_loss", shapes, label, call=call, second=False)


def gaussian(label: str, var: Any, **options: Any) -> Row:
    return row("gaussian_nll_loss", ((3, 4), (3, 4), Of(var, "float64", 0.3, 2.0)), label,
               call=lambda t, x, y, v: t.nn.functional.gaussian_nll_loss(x, y, v, **options))  # fmt: skip


ROWS = [
    *each("mse_loss", PAIR), *each("l1_loss", PAIR), *each("smooth_l1_loss", PAIR, [("", {}), ("beta", {"beta": 0.4})]),
    *each("huber_loss", PAIR, [("", {}), ("delta", {"delta": 0.4})]), *signed("soft_margin_loss", 1, PAIR[:1], PLAIN),
    *[row("kl_div", ((3, 4), Of((3, 4), "float64", 0.1, 1.0)), f"{r}-{log}", second=False,
          call=lambda t, x, y, r=r, log=log: t.nn.functional.kl_div(x, y, reduction=r, log_target=log))
      for r in (*REDUCTIONS, "batchmean") for log in (False, True)],
    *signed("margin_ranking_loss", 2, PAIR, [("", {}), ("margin", {"margin": 0.5})]),
    *signed("hinge_embedding_loss", 1, PAIR[:1], [("", {}), ("margin", {"margin": 0.5})]),
    *signed("cosine_embedding_loss", 2, PAIR, [("", {}), ("margin", {"margin": 0.2})], rank=1),
    *signed("cosine_embedding_loss", 2, ((4,), (4,)), [("single", {})], rank=0),
    *each("multi_margin_loss", ((3, 4), Of((3,), high=4)), [("", {}), ("p", {"p": 2, "margin": 0.5})], second=False),
    row("multi_margin_loss", ((3, 4), Of((3,), high=4), Of((4,), "float64", 0.3, 2.0)), "weight", second=False, grad=False,
        call=lambda t, x, y, w: t.nn.functional.multi_margin_loss(x, y, weight=w)),
    row("multi_margin_loss", ((4,), Of((), high=4)), "single", second=False),
    *each("multilabel_margin_loss", ((3, 4), Of((3, 4), low=-1, high=4)), second=False),
    row("multilabel_margin_loss", ((4,), Of((4,), low=-1, high=4)), "single", second=False),
    *each("multilabel_soft_margin_loss", ((3, 4), Of((3, 4), "float64", 0, 1))),
    row("multilabel_soft_margin_loss", ((3, 4), Of((3, 4), "float64", 0, 1), (4,)), "weight"),
    *each("poisson_nll_loss", ((3, 4), Of((3, 4), "float64", 0.2, 4.0)), [("", {}), ("full", {"full": True})]),
    row("poisson_nll_loss", ((3, 4), Of((3, 4), "float64", 0.2, 4.0)), "plain", options={"log_input": False, "eps": 0.1}, low=0.2),
    *[gaussian(f"{r}-{n}", s, reduction=r, full=n == "row") for r in REDUCTIONS for n, s in (("each", (3, 4)), ("row", (3, 1)), ("less", (3,)))],
    gaussian("eps", (3, 4), eps=1.0),
    row("gaussian_nll_loss", PAIR, "number", call=lambda t, x, y: t.nn.functional.gaussian_nll_loss(x, y, 0.7)),
    *each("triplet_margin_loss", TRIPLE, [("", {}), ("swap", {"swap": True, "margin": 2.0}), ("p", {"p": 1, "eps": 0.1})]),
    row("triplet_margin_loss", ((4,), (4,), (4,)), "single"),
    *[row("triplet_margin_with_distance_loss", TRIPLE, f"{swap}", call=lambda t, *xs, swap=swap: (
        t.nn.functional.triplet_margin_with_distance_loss(*xs, distance_function=distance(t), swap=swap))) for swap in (False, True)],
    *[ctc(f"{r}", ((7, 3, 5), Of((3, 3), low=1, high=5)), ((7, 6, 5), (3, 2, 1)), reduction=r) for r in REDUCTIONS],
    ctc("flat", ((7, 3, 5), Of((6,), low=1, high=5)), ((7, 6, 5), (3, 2, 1))),
    ctc("tensors", ((7, 3, 5), Of((3, 3), low=0, high=4)), ((7, 6, 5), (3, 2, 0)), blank=4, tensors=True),
    ctc("infinite", ((3, 2, 5), Of((2, 3), low=2, high=3)), ((3, 3), (3, 1)), zero_infinity=True, reduction="none"),
    ctc("single", ((7, 5), Of((3,), low=1, high=5)), ((7,), (3,)), reduction="none"),
    *[row("linear_cross_entropy", ((4, 3), (5, 3), Of((4,), high=5), *extra), label, call=lambda t, x, w, y, *b, o=o: (
        t.nn.functional.linear_cross_entropy(x, w, y, linear_bias=b[0] if b else None, **o))) for label, extra, o in [
            ("plain", (), {}), ("bias", ((5,),), {"reduction": "sum"}), ("all", (), {"ignore_index": 1, "label_smoothing": 0.2, "reduction": "none"})]],
    *[row("cross_entropy", ((4, 3, 2), Of((4, 2), high=3)), f"{r}-{s}", options={"reduction": r, "label_smoothing": s, "ignore_index": 1})
      for r in REDUCTIONS for s in (0.0, 0.1)],
    *each("nll_loss", ((4, 3), Of((4,), high=3))), *each("binary_cross_entropy_with_logits", ((4, 3), Of((4, 3), "float64", 0, 1))),
    *each("binary_cross_entropy", ((4, 3), Of((4, 3), "float64", 0, 1)), low=0.1, high=0.9),
    *[row(n, TRIPLE, f"weight-{r}", call=lambda t, x, y, w, n=n, r=r: getattr(t.nn.functional, n)(x, y, weight=w, reduction=r))
      for n in ("mse_loss", "l1_loss", "huber_loss") for r in REDUCTIONS],
    row("l1_loss", PAIR, "legacy", options={"size_average": False}), row("mse_loss", PAIR, "legacy", options={"reduce": False}),
]  # fmt: skip
