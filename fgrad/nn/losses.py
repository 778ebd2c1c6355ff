"""Losses as Modules, each over its function of nn.functional."""

from __future__ import annotations

from typing import Any

from fgrad.nn import functional as f
from fgrad.nn.simple import FunctionModule


class MSELoss(FunctionModule, of=f.mse_loss, skip=2, shown="", hide="weight"):
    """(input - target)^2."""


class L1Loss(FunctionModule, of=f.l1_loss, skip=2, shown="", hide="weight"):
    """|input - target|."""


class SmoothL1Loss(FunctionModule, of=f.smooth_l1_loss, skip=2, shown=""):
    """Squared near 0, absolute elsewhere."""


class HuberLoss(FunctionModule, of=f.huber_loss, skip=2, shown="", hide="weight"):
    """Squared within delta, linear outside."""


class BCELoss(FunctionModule, of=f.binary_cross_entropy, skip=2, shown=""):
    """-(y log x + (1 - y) log(1 - x))."""


class BCEWithLogitsLoss(FunctionModule, of=f.binary_cross_entropy_with_logits, skip=2, shown=""):
    """Binary cross-entropy of sigmoid(input)."""


class NLLLoss(FunctionModule, of=f.nll_loss, skip=2, shown=""):
    """-input[target], for log-probabilities."""


class CrossEntropyLoss(FunctionModule, of=f.cross_entropy, skip=2, shown=""):
    """-log softmax(input)[target]; see nn.functional.cross_entropy."""


class KLDivLoss(FunctionModule, of=f.kl_div, skip=2, shown=""):
    """target (log target - input)."""


class NLLLoss2d(NLLLoss):
    """NLLLoss under PyTorch's old name."""


class CosineEmbeddingLoss(FunctionModule, of=f.cosine_embedding_loss, skip=3, shown=""):
    """1 - cosine of pairs marked 1, max(0, cosine - margin) of those marked -1."""


class CTCLoss(FunctionModule, of=f.ctc_loss, skip=4, shown=""):
    """-log probability of label sequences, over all alignments."""


class GaussianNLLLoss(FunctionModule, of=f.gaussian_nll_loss, skip=3, shown=""):
    """(log v + (input - target)^2 / v) / 2."""


class HingeEmbeddingLoss(FunctionModule, of=f.hinge_embedding_loss, skip=2, shown=""):
    """input where the target is 1, max(0, margin - input) where it is -1."""


class MarginRankingLoss(FunctionModule, of=f.margin_ranking_loss, skip=3, shown=""):
    """max(0, -target * (input1 - input2) + margin)."""


class MultiLabelMarginLoss(FunctionModule, of=f.multilabel_margin_loss, skip=2, shown=""):
    """Margins between the labels of an example and the other classes."""


class MultiLabelSoftMarginLoss(FunctionModule, of=f.multilabel_soft_margin_loss, skip=2, shown=""):
    """Binary cross-entropy of each class, their mean."""


class MultiMarginLoss(FunctionModule, of=f.multi_margin_loss, skip=2, shown=""):
    """Margins between the target and the other classes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if self.weight is not None and self.weight.dim() != 1:
            raise AssertionError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {self.weight.dim()}D instead")


class PoissonNLLLoss(FunctionModule, of=f.poisson_nll_loss, skip=2, shown=""):
    """exp(input) - target * input."""


class SoftMarginLoss(FunctionModule, of=f.soft_margin_loss, skip=2, shown=""):
    """log(1 + exp(-target * input))."""


class TripletMarginLoss(FunctionModule, of=f.triplet_margin_loss, skip=3, shown=""):
    """max(0, margin + d(anchor, positive) - d(anchor, negative))."""


class CosineSimilarity(FunctionModule, of=f.cosine_similarity, skip=2, shown=""):
    """Cosine of the angle between vectors along `dim`."""


class PairwiseDistance(FunctionModule, of=f.pairwise_distance, skip=2, shown=""):
    """Distances of order `p` between vectors."""

    @property
    def norm(self) -> Any:
        """The order, under PyTorch's name."""
        return self.p


class TripletMarginWithDistanceLoss(FunctionModule, of=f.triplet_margin_with_distance_loss, skip=3, shown=""):
    """TripletMarginLoss with any distance."""

    def __init__(self, **kwargs: Any) -> None:
        given = kwargs.pop("distance_function", None)
        super().__init__(distance_function=PairwiseDistance() if given is None else given, **kwargs)
