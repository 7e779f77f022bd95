"""The settings of recipes/finetune.py as --help tells them: in groups, a line or two each, those that count."""

import dataclasses
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ytaudio.training.arguments import SettingsError

_WIDTH, _NAME = 100, 31  # columns of a line, and of its names

# Group to setting to sentence; an empty one means the sentence of the dataclass.
GROUPS: dict[str, dict[str, str]] = {
    "what to train on what": {
        "dataset_name": "",
        "dataset_revision": "",
        "model_name_or_path": "Any audio classification checkpoint, or a model type to begin anew: spectrogram_cnn.",
        "model_revision": "",
        "model_config": "",
        "trust_remote_code": "",
        "attn_implementation": "",
        "freeze": "",
        "probe": "",
        "crop_seconds": "Length of the crops, at least 1; what suits the model where it is left out.",
        "output_dir": "",
        "resume_from_checkpoint": "",
        "overwrite": "",
        "dry_run": "",
    },
    "more accuracy": {
        "pooling": "",
        "layer_weights": "",
        "head_learning_rate": "",
        "head_first": "",
        "label_smoothing_factor": "Share of the target spread over all classes (Szegedy et al. 2016); 0.1 is common.",
        "class_weights": "",
        "oversample": "",
        "mixup_alpha": "",
        "gain_db": "",
        "time_shift_s": "",
        "tilt_db": "",
        "low_pass": "",
        "reverberation": "",
        "noise": "",
        "spec_augment": "",
        "ema_decay": "",
    },
    "training": {
        "num_train_epochs": "Epochs at the most; early stopping may end it before.",
        "max_steps": "Steps of the optimiser instead of epochs; needed with a stream that does not tell its length.",
        "learning_rate": "Highest learning rate.",
        "lr_scheduler_type": "linear, cosine, constant, constant_with_warmup, ...",
        "warmup_steps": "Steps, or below 1 a share of all steps, in which the learning rate rises.",
        "weight_decay": "Of weights, not of biases and norms.",
        "optim": "adamw_torch_fused, adafactor (least memory), sgd, ...",
        "per_device_train_batch_size": "Crops at once in each process.",
        "gradient_accumulation_steps": "Batches of each process in one step.",
        "seed": "Of new weights, crops and order.",
    },
    "evaluation and choice": {
        "per_device_eval_batch_size": "Crops at once in evaluation.",
        "validation_crops": "",
        "metric_for_best_model": "macro_f1, accuracy or loss, on validation; give --no_greater_is_better with loss.",
        "early_stopping_patience": "",
    },
    "publishing": {
        "push_to_hub": "Publish model, card and scores when all is done.",
        "hub_model_id": "USER/NAME to publish as.",
        "public": "",
        "price_per_hour": "",
        "report_to": "tensorboard or trackio: curves while it trains (pip install tensorboardX, trackio).",
    },
    "machine": {
        "bf16": "Compute in bf16 where it is safe: about twice as fast where the hardware has it, and smaller.",
        "torch_compile": "Compile the model: slower to start, faster after; for GPUs.",
        "activation_checkpointing": "Compute activations twice instead of keeping them: much less memory, slower.",
        "use_cpu": "Although there is a GPU.",
        "dataloader_num_workers": "Processes that read and decode ahead.",
        "preload": "",
        "streaming": "",
    },
}

# What TrainingArguments takes and this recipe decides itself, to what to do instead.
REFUSED = {
    "label_names": "the labels are the dataset's",
    "remove_unused_columns": "the collator needs the columns",
    "include_for_metrics": "the metrics need logits and labels alone",
    "batch_eval_metrics": "the metrics are over videos, which batches cut apart",
    "eval_do_concat_batches": "the metrics are over videos, which batches cut apart",
    "eval_use_gather_object": "the metrics are over videos, which objects of batches cut apart",
    "prediction_loss_only": "the best epoch is chosen by macro-F1",
    "include_num_input_tokens_seen": "sound has no tokens",
    "average_tokens_across_devices": "the loss is divided by all crops of a step already",
    "neftune_noise_alpha": "it is noise on embedded text",
    "use_cache": "it is for models that write text",
    "use_liger_kernel": "it is for models that write text",
    "liger_kernel_config": "it is for models that write text",
    "length_column_name": "all crops are of one length",
    "do_train": "training is what this recipe does",
    "do_eval": "validation is scored after every epoch, and test at the end",
    "do_predict": "give the model to `ytaudio classify`",
    "disable_tqdm": "progress is one line, on a terminal alone",
    "hub_strategy": "one commit is pushed when all is done",
    "hub_always_push": "one commit is pushed when all is done",
    "hub_private_repo": "give --public, or leave it out",
    "hub_revision": "publish, then branch or tag it on the Hub",
    "local_rank": "the launcher says which process is which",
    "gradient_checkpointing": "it is now called activation_checkpointing",
    "gradient_checkpointing_kwargs": "it is now called activation_checkpointing_kwargs",
    "auto_find_batch_size": "what is too large is said in a sentence, and the numbers of a run are its settings'",
}

EXAMPLES = """\
accelerate launch recipes/finetune.py [SETTINGS.yaml] [--name value ...]

  accelerate launch recipes/finetune.py recipes/wav2vec2.yaml --dataset_name USER/DATASET \\
      --output_dir runs/wav2vec2 --dry-run
  accelerate launch --config_file recipes/accelerate/several_gpus.yaml recipes/finetune.py \\
      recipes/wav2vec2.yaml --dataset_name USER/DATASET --output_dir runs/wav2vec2 --bf16 \\
      --push_to_hub --hub_model_id USER/MODEL

A YAML file of settings comes first, and the command line wins over it. A run that was cut short
goes on when it is launched again. `--help all` tells the settings of transformers.TrainingArguments
that are seldom needed.
"""


def refuse(given: Iterable[str], more: Mapping[str, str] | None = None) -> None:
    """Refuse settings of TrainingArguments that would do nothing here, or harm; `more` are a recipe's own.

    Raises:
        SettingsError: naming the first, and why.
    """
    refused = {**REFUSED, **(more or {})}
    for name in given:
        if name in refused:
            raise SettingsError(f"{name} is not for this recipe, since {refused[name]}: take it out.")


def _default(field: Any) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return " [required]"
    value = getattr(value, "value", value)
    if isinstance(value, bool):
        return f" [{'yes' if value else 'no'}]"
    return "" if value in (None, "", "{}") else f" [{value}]"


def _entry(field: Any, sentence: str) -> str:
    words = " ".join((sentence or field.metadata.get("help") or "").replace("%%", "%").split())
    words = textwrap.shorten(words, 240, placeholder=" ...") + _default(field)
    name = f"  --{field.name}"
    first = name.ljust(_NAME) if len(name) < _NAME else f"{name}\n{' ' * _NAME}"
    return first + textwrap.fill(words, _WIDTH - _NAME).replace("\n", "\n" + " " * _NAME)


def wants_help(argv: Sequence[str]) -> bool:
    """Whether a command line asks for help: -h, --help, --help all or --help_all."""
    return bool({"-h", "--help", "--help_all", "--help-all"} & set(argv))


def help_text(
    kinds: Sequence[type],
    argv: Sequence[str] = (),
    examples: str = EXAMPLES,
    own: Sequence[str] = (),
    without: Collection[str] = (),
) -> str:
    """What --help prints of the dataclasses' settings; for `--help all` (--help_all), those too that no group has.

    Settings that a recipe does not take are left out of the groups. Another recipe than finetune.py names its own
    `examples`, which come first, its `own` settings, which come next, and those that do nothing in it, which it is told
    `without`; it publishes nothing.
    """
    every = bool({"all", "--help_all", "--help-all"} & set(argv))
    fields = {field.name: field for kind in kinds for field in dataclasses.fields(kind) if field.init}
    groups = {"this recipe": dict.fromkeys(own, ""), **GROUPS, **({"publishing": {}} if own else {})}
    if every:
        told = {name for group in GROUPS.values() for name in group} | REFUSED.keys() | {"hub_token"}
        groups["other settings of transformers.TrainingArguments"] = {
            name: str(field.metadata.get("help", "")).split(". ")[0] + "."
            for name, field in fields.items()
            if name not in told
        }
    parts = [examples]
    for title, group in groups.items():
        entries = [_entry(fields[name], words) for name, words in group.items() if name in fields.keys() - set(without)]
        if entries:
            parts.append("\n".join([title, *entries]) + "\n")
    return "\n".join(parts)
