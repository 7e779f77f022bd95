"""Settings to a loaded model, and that and two splits to a Trainer that is ready: what recipes share."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments, set_seed

from ytaudio.errors import UserError
from ytaudio.training.arguments import SettingsError, parse_mapping
from ytaudio.training.augmentations import Augmentation
from ytaudio.training.checkpoints import load_classifier, longest_crop_seconds, natural_crop_seconds
from ytaudio.training.choices import AccuracyArguments, ModelArguments
from ytaudio.training.data import ClipCollator, CropsOf, Oversampled
from ytaudio.training.freezing import freeze
from ytaudio.training.losses import ClipLoss, balanced_weights
from ytaudio.training.trainer import ClipTrainer, VideoMetrics

_COLUMNS = ["audio", "label"]


def crop_length(extractor: Any, wanted: float | None) -> float:
    """The length of the crops in seconds: as wanted, or what suits the model.

    Raises:
        SettingsError: longer than the model hears.
    """
    longest = longest_crop_seconds(extractor)
    if wanted is not None and longest is not None and wanted > longest:
        raise SettingsError(f"crop_seconds is {wanted:g} and this model hears {longest:g} s at most: give that.")
    return natural_crop_seconds(extractor) if wanted is None else wanted


def new_model(
    run: ModelArguments, choices: AccuracyArguments, labels: Sequence[str], seed: int
) -> tuple[PreTrainedModel, Any, float]:
    """Model, feature extractor and the length of the crops in seconds; new weights follow from the seed.

    Raises:
        UserError: no such model, or settings that it does not take.
    """
    set_seed(seed)
    model, extractor = load_classifier(
        run.model_name_or_path,
        labels,
        revision=run.model_revision,
        trust_remote_code=run.trust_remote_code,
        attn_implementation=run.attn_implementation,
        config=parse_mapping("model_config", run.model_config),
        pooling=choices.pooling,
        layer_weights=choices.layer_weights,
        spec_augment=choices.spec_augment,
    )
    freeze(model, "backbone" if run.probe else run.freeze)
    return model, extractor, crop_length(extractor, run.crop_seconds)


def videos_of(split: Any) -> list[Any]:
    """The video of each row; a dataset without video ids counts each row as a video."""
    return list(split["video_id"]) if "video_id" in split.column_names else list(range(len(split)))


def clip_loss(args: TrainingArguments, choices: AccuracyArguments, labels: Sequence[int], classes: int) -> ClipLoss:
    """The loss of a training on clips with these labels, as the settings have it."""
    weights = balanced_weights(labels, classes) if choices.class_weights == "balanced" else None
    return ClipLoss(weights, args.label_smoothing_factor)


def clip_trainer(
    model: PreTrainedModel,
    extractor: Any,
    args: TrainingArguments,
    choices: AccuracyArguments,
    train: Any,
    validation: Any,
    *,
    crop_seconds: float,
    labels: Sequence[int] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> ClipTrainer:
    """A Trainer over random crops of `train` that judges by videos of `validation`; it publishes nothing by itself.

    Args:
        model: from load_classifier.
        extractor: the model's.
        args: of the training.
        choices: what may bring more accuracy.
        train: rows with audio and label, from open_dataset, `preload` or a stream.
        validation: such rows too, with video_id; None for no evaluation, which `args` must agree with.
        crop_seconds: length of the crops.
        labels: of train's rows, where it is a stream; read from it where left out.
        callbacks: besides Trainer's own.

    Raises:
        UserError: settings that do not fit together.
    """
    if choices.mixup_alpha and args.per_device_train_batch_size < 2:
        raise UserError("mixup_alpha mixes crops of one batch: give a per_device_train_batch_size of 2 or more.")
    if labels is None and (choices.class_weights == "balanced" or choices.oversample):
        labels = train["label"]
    if choices.oversample:
        if choices.class_weights == "balanced":
            raise UserError("oversample and class_weights balanced both make classes count alike: give one of them.")
        if not hasattr(train, "__getitem__") or hasattr(train, "order"):
            raise UserError("A stream gives each clip once: give --oversample no with --streaming.")
    judged, metrics = validation, None
    if validation is not None:
        judged = CropsOf(_needed(validation), choices.validation_crops)
        metrics = VideoMetrics([v for v in videos_of(validation) for _ in range(choices.validation_crops)])
    args.push_to_hub = False
    args.remove_unused_columns = False  # the collator, not the model, takes the dataset's columns
    augmentation = Augmentation(**{one.name: getattr(choices, one.name) for one in fields(Augmentation)})
    return ClipTrainer(
        model=model,
        args=args,
        processing_class=extractor,
        train_dataset=Oversampled(_needed(train), labels or []) if choices.oversample else _needed(train),
        eval_dataset=judged,
        data_collator=ClipCollator(extractor, crop_seconds, random=True, seed=args.seed, augmentation=augmentation),
        eval_collator=ClipCollator(extractor, crop_seconds),
        compute_metrics=metrics,
        callbacks=list(callbacks),
        loss=clip_loss(args, choices, labels if labels is not None else [], len(model.config.id2label or {})),
        head_learning_rate=choices.head_learning_rate,
        mixup_alpha=choices.mixup_alpha,
        ema_decay=choices.ema_decay,
    )


def _needed(split: Any) -> Any:
    """The columns a batch is made of, of a dataset that would read the others too."""
    return split.select_columns(_COLUMNS) if isinstance(split, Dataset) else split
