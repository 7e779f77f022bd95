"""What a recipe refuses before anything is loaded, which is better than after hours of training."""

from collections.abc import Iterable
from typing import Any

import torch
from huggingface_hub import HfApi

from ytaudio.hub_errors import hub_errors
from ytaudio.training.arguments import SettingsError
from ytaudio.training.epochs import check_trackers
from ytaudio.training.manual import refuse
from ytaudio.training.plans import price_of
from ytaudio.training.processes import check_joined
from ytaudio.training.records import progress_bars, resume_point


def check_settings(run: Any, args: Any, given: Iterable[str] = ()) -> None:
    """Refuse RunArguments and TrainingArguments that cannot be done; bars of libraries show on a terminal alone.

    `given` names the settings that were set.

    Raises:
        UserError: a setting that is missing or out of range, a checkpoint that is not there, a package that is not
            installed, a token that the Hub does not take.
    """
    check_joined(args.world_size)
    refuse(given)
    if not args.output_dir:
        raise SettingsError("Where shall the model go? Give --output_dir FOLDER.")
    if args.hub_token:
        raise SettingsError("A token in the settings would be published with them: set HF_TOKEN instead of hub_token.")
    resume_point(args.resume_from_checkpoint, args.output_dir)
    if args.push_to_hub and not args.hub_model_id:
        raise SettingsError("Where shall the model be published? Give --hub_model_id USER/MODEL with --push_to_hub.")
    if run.crop_seconds is not None and run.crop_seconds <= 0:
        raise SettingsError(f"crop_seconds is {run.crop_seconds}: give a length above 0.")
    if run.streaming and run.preload:
        raise SettingsError(
            "--streaming is for what memory does not hold, --preload for what it does: give one of them."
        )
    if run.probe and run.freeze not in ("none", "feature_encoder", "backbone"):  # a backbone has the encoder in it
        raise SettingsError(f"--probe trains the head alone: leave --freeze {run.freeze} out.")
    check_trackers(args.report_to)
    price_of(run.price_per_hour, 0.0)
    if args.push_to_hub and not run.dry_run:
        with hub_errors(f"model {args.hub_model_id}"):
            HfApi().whoami()
    args.disable_tqdm = not progress_bars() or args.process_index > 0
    args.dataloader_pin_memory &= torch.cuda.is_available()
