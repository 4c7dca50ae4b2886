"""Losses over a batch (specs/alor.md 3.2, 7.2 and 7.5); shapes: B pairs, `scores` = exp(tau) U V^T (B, B)."""

from typing import TYPE_CHECKING

from tailfirst.adaptation._options import Targets

if TYPE_CHECKING:
    import torch


def cross_entropy(
    logits: "torch.Tensor", classes: "torch.Tensor", partner: "torch.Tensor | None" = None, lam: float = 1.0
) -> "torch.Tensor":
    """Mean CE of (B, C) logits; with a partner: lam CE(., y) + (1 - lam) CE(., y[partner])."""
    from torch.nn.functional import cross_entropy as plain

    own = plain(logits, classes)
    return own if partner is None else lam * own + (1 - lam) * plain(logits, classes[partner])


def contrast(
    scores: "torch.Tensor",
    classes: "torch.Tensor",
    targets: Targets,
    partner: "torch.Tensor | None" = None,
    lam: float = 1.0,
) -> "torch.Tensor":
    """Mean of both directions of the contrastive loss; items are rows, their texts columns.

    Args:
        scores: (B, B).
        classes: (B,) class of item i and of text i.
        targets: diagonal, multi_positive or masked (class_softmax is `cross_entropy` over all classes).
        partner: (B,) a permutation: item i is mixed with item partner[i].
        lam: Share of the item's own class in a mixed item.
    """
    if targets == "masked":
        return (_masked(scores, classes, partner, lam) + _masked_texts(scores, classes, partner, lam)) / 2
    wanted = target_weights(classes, targets, partner, lam)
    rows, columns = scores.log_softmax(dim=1), scores.log_softmax(dim=0)
    return -(wanted * (rows + columns)).sum() / (2 * len(scores))


def target_weights(
    classes: "torch.Tensor", targets: Targets, partner: "torch.Tensor | None" = None, lam: float = 1.0
) -> "torch.Tensor":
    """Q (B, B) of 7.5, or lam Q_i + (1 - lam) Q_partner(i); rows and columns sum to 1."""
    import torch

    if targets == "multi_positive":
        same = (classes[:, None] == classes[None, :]).float()
        own = same / same.sum(dim=1, keepdim=True)
    else:
        own = torch.eye(len(classes), device=classes.device)
    return own if partner is None else lam * own + (1 - lam) * own[partner]


def _masked(
    scores: "torch.Tensor", classes: "torch.Tensor", partner: "torch.Tensor | None", lam: float
) -> "torch.Tensor":
    """Items against texts: every target text against the texts of other classes than its own."""
    import torch

    own = _against_others(scores, classes, torch.arange(len(scores), device=scores.device))
    return own if partner is None else lam * own + (1 - lam) * _against_others(scores, classes, partner)


def _masked_texts(
    scores: "torch.Tensor", classes: "torch.Tensor", partner: "torch.Tensor | None", lam: float
) -> "torch.Tensor":
    """Texts against items; text j is also in the item whose partner it is, and items then count as their partners."""
    import torch

    own = _against_others(scores.T, classes, torch.arange(len(scores), device=scores.device))
    if partner is None:
        return own
    return lam * own + (1 - lam) * _against_others(scores.T, classes[partner], partner.argsort())


def _against_others(scores: "torch.Tensor", columns: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
    """Mean of -ln softmax at each row's target, over the target and the columns of other classes than the target's."""
    import torch

    kept = columns[None, :] != columns[target][:, None]
    kept[torch.arange(len(scores), device=scores.device), target] = True
    logits = scores.masked_fill(~kept, -torch.inf).log_softmax(dim=1)
    return -logits.gather(1, target[:, None]).mean()
