"""Products and sums of an episodic and a global bonus: recipes made of E3B, RND and NovelD."""

from __future__ import annotations

from typing import Any

from rewardax.base.choices import check_choice
from rewardax.wrappers.algebra.combine import Product, Sum
from rewardax.wrappers.algebra.normalize import Normalize
from rewardax.wrappers.algebra.pointwise import Weights
from rewardax.wrappers.bonuses.e3b import E3B
from rewardax.wrappers.bonuses.noveld import NovelD
from rewardax.wrappers.bonuses.rnd import RND
from rewardax.wrappers.core import Chain, RewardTransform, chain


def episodic_with_global(
    episodic: RewardTransform,
    novelty: RewardTransform,
    join: str = "multiply",
    scale: float = 1.0,
    component: str = "explore",
) -> Chain:
    """Join an episodic and a global bonus: b = E·G or b = E + G, divided by its running std, times ``scale``.

    Leave the factors unnormalized: their product is normalized (statistics with a prior of weight 1). The weight c
    of a sum is the ``scale`` of ``novelty``.

    Paper: Henaff, Jiang & Raileanu 2023, "A Study of Global and Episodic Bonuses for Exploration in Contextual
    MDPs" (arXiv 2306.03236).

    Args:
        episodic, novelty: transforms that post one component each.
        join: ``"multiply"`` or ``"add"``.

    Differs from the paper: both look at o_{t+1}; the released code lets E3B look at o_t (``E3B(timing="departure")``).

    >>> from rewardax.wrappers import EpisodicCount, GlobalCount
    >>> episodic_with_global(EpisodicCount(), GlobalCount(component="ever"), join="add").names
    ('bonus', 'normalize', 'weight')
    """
    joins = {"multiply": Product, "add": Sum}
    check_choice("episodic_with_global", "join", join, joins)
    return chain(
        bonus=joins[join](chain(episodic=episodic, everywhere=novelty), component=component),
        normalize=Normalize(component=component, prior_count=1.0),
        weight=Weights({component: scale}),
    )


def e3b_times_rnd(scale: float = 1.0, component: str = "e3b_rnd", **embedding: Any) -> Chain:
    """E3B x RND (norm of the error), what the study of global and episodic bonuses ends up recommending.

    ``embedding`` are arguments of both, e.g. ``one_hot=11, width=64, outputs=32``.

    >>> e3b_times_rnd(one_hot=11).parts[0].component
    'e3b_rnd'
    """
    novelty = RND(error="norm", normalize="none", component="global", **embedding)
    return episodic_with_global(E3B(normalize="none", **embedding), novelty, scale=scale, component=component)


def e3b_times_noveld(alpha: float = 0.1, scale: float = 1.0, component: str = "e3b_noveld", **embedding: Any) -> Chain:
    """E3B x NovelD of the study: no first-visit indicator. ``embedding`` are arguments of both.

    >>> e3b_times_noveld().parts[0].inner.parts[1].alpha
    0.1
    """
    novelty = NovelD(alpha=alpha, form="const", component="global", **embedding)
    return episodic_with_global(E3B(normalize="none", **embedding), novelty, scale=scale, component=component)


def e3b_plus_noveld(
    alpha: float = 0.1, coefficient: float = 1.0, scale: float = 1.0, component: str = "e3b_noveld", **embedding: Any
) -> Chain:
    """E3B + c·NovelD of the study, without the first-visit indicator. ``embedding`` are arguments of both.

    >>> e3b_plus_noveld(coefficient=0.5).parts[0].inner.parts[1].scale
    0.5
    """
    novelty = NovelD(alpha=alpha, form="const", scale=coefficient, component="global", **embedding)
    return episodic_with_global(E3B(normalize="none", **embedding), novelty, "add", scale, component)
