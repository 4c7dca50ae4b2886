"""Options of the adaptations that train by gradient: two profiles of independent switches (specs/alor.md section 1).

A profile sets the switches that are not given; everything else has one default for both. To the rows of section 1 we
add the sampler (3.1 draws unweighted, 7.5 may not): on retrieved rows with a long tail it matters most of all. What
section 1 says about prompts and Tail First Sampling stands elsewhere in params.yaml (`retrieval.names`, `acquisition`).
`alor_paper` cannot have the paper's model selection: it uses validation labels that nobody paid for (7.11).
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Profile = Literal["tailfirst", "alor_paper"]
Targets = Literal["diagonal", "multi_positive", "masked", "class_softmax"]

PROFILES: Mapping[Profile, Mapping[str, Any]] = {
    "alor_paper": {
        "cutmix": None, "stage2": "none", "blend": "none", "targets": "diagonal", "unlabelled": "off",
        "selection": "last_epoch", "schedule": "scratch", "epochs": 50, "epoch_rows": None, "class_power": 0.0,
        "labeled_share": None,
    },
    "tailfirst": {
        "cutmix": {"prob": 0.5, "beta": 1.0}, "stage2": "head", "blend": "weights", "targets": "masked",
        "unlabelled": "off", "selection": "last_epoch", "schedule": "scratch", "epochs": None, "epoch_rows": 1280,
        "class_power": 1.0, "labeled_share": 0.5,
    },
}  # fmt: skip


class Section(BaseModel):
    """Frozen, and refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cutmix(Section):
    """Two items in one (7.2): boxes of images; vectors and texts only if asked for."""

    prob: float = Field(0.5, ge=0, le=1)  # of a step
    beta: float = Field(1.0, gt=0)  # lam ~ Beta(beta, beta)
    features: bool = False  # mix features too, where there are no pixels (mixup, ours; measured to cost accuracy)


class Gate(Section):
    """Pseudo-labels of pool rows (7.10)."""

    temperature: float = Field(0.01, gt=0)  # T: logits are cosines / T
    threshold: float = Field(0.8, gt=0, lt=1)  # theta
    debias: float = Field(0.4, ge=0)  # tau
    ratio: int = Field(5, ge=1)  # mu: pool rows per training row
    weight: float = Field(1.0, ge=0)  # lambda_u
    precision: float = Field(0.7, gt=0, lt=1)  # a class below it contributes nothing
    drop: float = Field(0.2, ge=0, lt=1)  # share of dimensions that the strong view lacks (ours: vectors have no views)
    limit: int = Field(20_000, ge=1)  # pool rows that are looked at


class Loop(Section):
    """AdamW as in 3.1; epochs and rates of None are the tower's own defaults (`rates` of each tower)."""

    epochs: int | None = Field(None, ge=0)
    batch: int = Field(64, ge=1)
    epoch_rows: int | None = Field(None, ge=1)  # rows drawn per epoch; null = as many as there are
    lr: float | None = Field(None, gt=0)  # of the tower
    lr_head: float | None = Field(None, gt=0)  # of head, context and log scale
    weight_decay: float = Field(0.01, ge=0)
    warmup: int = Field(50, ge=0)  # steps, at most a tenth of them all
    clip: float | None = Field(1.0, gt=0)  # norm of the gradient at most; null = as it comes
    amp: Literal["auto", "off", "bfloat16"] = "auto"  # autocast of the forward pass; auto: bfloat16 on a GPU
    labeled_share: float | None = Field(None, ge=0, le=1)  # of human labels in what is drawn; null = natural
    class_power: float = Field(0.0, ge=0, le=1)  # gamma: a row of class y is drawn with weight n_y^-gamma (7.5)


class Tuning(Loop):
    """What finetune and contrastive share."""

    profile: Profile = "tailfirst"
    # -- what is trained
    tower: Literal["auto", "full", "adapter"] = "auto"  # auto: full where the encoder can be tuned
    layers: int | None = Field(None, ge=0)  # full: only the last n transformer layers and the projection
    lora_rank: int | None = Field(None, ge=1)  # full: low-rank updates of attention (needs the package peft)
    checkpointing: bool = False  # full: recompute activations, slower and smaller
    crop: float = Field(0.9, gt=0, le=1)  # images: least area of a random crop; 1 = whole
    flip: bool = True  # images: mirrored half of the time
    cache_mb: int = Field(2048, ge=1)  # decoded images in memory at most; beyond that they lie in a file
    # -- switches of section 1; null = as the profile says
    cutmix: Cutmix | None
    stage2: Literal["none", "head", "full"]
    blend: Literal["none", "weights", "head"]
    unlabelled: Literal["off", "gated"]
    selection: Literal["last_epoch", "oof"]
    schedule: Literal["scratch", "refresh", "stage1_once"]
    # -- numbers of the switches
    scale: float = Field(1 / 0.07, gt=0)  # start of the log scale, exp(tau) (3.2)
    alpha: float | None = Field(None, ge=0, le=1)  # of the blend: 0 = zero-shot, 1 = tuned; null: grows with labels
    stage2_epochs: int = Field(10, ge=0)  # of `full`
    stage2_l2: float = Field(0.5, gt=0)  # of `head`: pull to the head of stage 1, which has seen these labels already
    stage2_scale: Literal["fitted", "kept"] = "kept"  # of `head`: s; fitted again to features that know the labels,
    # it comes out too sure where the tower has learned them by heart
    stage2_balance: float = Field(1.0, ge=0, le=1)  # gamma of 7.3: 1 = every class weighs the same
    stage2_labeled_share: float = Field(1.0, gt=0, le=1)  # of `full`: below 1, retrieved rows are replayed
    refresh_every: int = Field(3, ge=1)  # rounds, of `refresh`
    refresh_growth: float = Field(1.5, gt=1)  # of labels since the last joint training, of `refresh`
    folds: int = Field(5, ge=2)  # of `oof`
    gate: Gate = Gate()

    @model_validator(mode="before")
    @classmethod
    def _profile(cls, value: object) -> object:
        """Switches that are not given are those of the profile."""
        if not isinstance(value, dict) or value.get("profile", "tailfirst") not in PROFILES:
            return value
        known = PROFILES[value.get("profile", "tailfirst")]
        wanted = {name: setting for name, setting in known.items() if name in cls.model_fields}
        if value.get("stage2") == "none":  # a label that only a second stage would use may not be left out
            wanted |= {"schedule": "scratch"}
        return {**wanted, **value}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.stage2 == "none" and self.schedule != "scratch":
            raise ValueError(f"schedule {self.schedule} leaves new labels to the second stage, and stage2 is none")
        return self
