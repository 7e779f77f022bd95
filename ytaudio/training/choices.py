"""Settings that recipes share: which model on which clips, and what may bring more accuracy, each with its source."""

from dataclasses import dataclass, field
from typing import ClassVar

from ytaudio.errors import UserError

POOLINGS = ("mean", "statistics", "attention")
CLASS_WEIGHTS = ("none", "balanced")


@dataclass
class ModelArguments:
    """Which model is trained, how much of it, and on which clips."""

    dataset_name: str = field(metadata={"help": "Dataset: USER/NAME on the Hub, or a folder."})
    dataset_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit of the dataset."})
    model_name_or_path: str = field(default="facebook/wav2vec2-base", metadata={"help": "Checkpoint or model type."})
    model_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit of the model."})
    model_config: str = field(default="{}", metadata={"help": "Settings of the model's config, as JSON."})
    trust_remote_code: bool = field(default=False, metadata={"help": "Run the code that the model's repo brings."})
    attn_implementation: str | None = field(default=None, metadata={"help": "eager, sdpa or flash_attention_2."})
    freeze: str = field(default="none", metadata={"help": "none, feature_encoder, backbone, or lower:N layers."})
    probe: bool = field(default=False, metadata={"help": "Train the head alone, on embeddings computed once."})
    crop_seconds: float | None = field(default=None, metadata={"help": "Of a crop; what suits the model if left out."})
    early_stopping_patience: int = field(default=3, metadata={"help": "Epochs without a better validation score."})


@dataclass
class AccuracyArguments:
    """Settings that change what is learnt; `label_smoothing_factor` is TrainingArguments' own."""

    _argument_group_name: ClassVar[str] = "more accuracy"

    pooling: str = field(
        default="mean",
        metadata={
            "help": "Frames to one vector: mean, statistics (mean and deviation; Snyder et al. 2018) or attention "
            "(attentive statistics; Okabe et al. 2018). The last two make a model that brings its own code."
        },
    )
    layer_weights: bool = field(
        default=False,
        metadata={"help": "Learn how much each layer of the backbone counts (SUPERB, Yang et al. 2021)."},
    )
    head_learning_rate: float | None = field(
        default=None,
        metadata={"help": "Of everything that is not pretrained; learning_rate where it is left out."},
    )
    head_first: bool = field(
        default=False,
        metadata={"help": "Fit the head on the frozen backbone before all is trained (LP-FT, Kumar et al. 2022)."},
    )
    class_weights: str = field(
        default="none",
        metadata={"help": "none, or balanced: a clip counts as much as its class is rare (King and Zeng 2001)."},
    )
    oversample: bool = field(
        default=False,
        metadata={
            "help": "Show clips of rare classes more often, each time another crop, until all classes have as many "
            "(Buda et al. 2018)."
        },
    )
    mixup_alpha: float = field(
        default=0.0,
        metadata={"help": "Mix pairs of crops and their labels by Beta(alpha, alpha) (mixup, Zhang et al. 2018)."},
    )
    gain_db: float = field(
        default=0.0, metadata={"help": "Change a crop's level by up to so many dB up or down, in training."}
    )
    time_shift_s: float = field(
        default=0.0, metadata={"help": "Roll a crop by up to so many seconds either way, in training."}
    )
    tilt_db: float = field(
        default=0.0,
        metadata={"help": "Turn treble against bass by up to so many dB, in training (Nam et al. 2022)."},
    )
    low_pass: float = field(
        default=0.0, metadata={"help": "Share of the crops that lose what lies above 1.5 to 8 kHz, in training."}
    )
    reverberation: float = field(
        default=0.0,
        metadata={"help": "Share of the crops put into a made-up room, in training (Ko et al. 2017)."},
    )
    noise: float = field(
        default=0.0, metadata={"help": "Share of the crops with noise 15 to 60 dB below the sound, in training."}
    )
    spec_augment: bool | None = field(
        default=None,
        metadata={
            "help": "Blank stripes of time and of features in training (SpecAugment, Park et al. 2019); "
            "as the model's config says where it is left out."
        },
    )
    ema_decay: float = field(
        default=0.0,
        metadata={"help": "Evaluate and keep a moving average of the weights, 0.99 or so; 0 keeps the weights."},
    )
    validation_crops: int = field(
        default=1, metadata={"help": "Crops a clip, averaged, when the best epoch is chosen on validation."}
    )

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UserError: naming the setting and what it takes.
        """
        if self.pooling not in POOLINGS:
            raise UserError(f"pooling is {self.pooling!r}: choose one of {', '.join(POOLINGS)}.")
        if self.class_weights not in CLASS_WEIGHTS:
            raise UserError(f"class_weights is {self.class_weights!r}: choose one of {', '.join(CLASS_WEIGHTS)}.")
        for name in ("mixup_alpha", "gain_db", "time_shift_s", "tilt_db"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} is {getattr(self, name)}: give 0 to do without it, or more.")
        for name in ("low_pass", "reverberation", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}: give a share of the crops from 0 to 1.")
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"ema_decay is {self.ema_decay}: give 0 to do without it, or a share below 1 such as 0.99.")
        if self.validation_crops < 1:
            raise UserError(f"validation_crops is {self.validation_crops}: give 1 or more.")
