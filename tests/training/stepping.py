"""A program for one process or several: three steps over six videos, and what came of them; then the same as a stream.

python stepping.py DATASET OUT BATCH_PER_PROCESS
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import TrainerCallback, TrainingArguments

from ytaudio.testing.models import SIZES
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.data import ClipCollator, open_dataset
from ytaudio.training.losses import ClipLoss
from ytaudio.training.streaming import open_stream
from ytaudio.training.trainer import ClipTrainer

STILL = dict.fromkeys(
    ["layerdrop", "hidden_dropout", "attention_dropout", "feat_proj_dropout", "activation_dropout", "final_dropout"],
    0.0,
)


class First(TrainerCallback):
    """The gradients of the first step."""

    def __init__(self):
        self.gradients = {}

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.gradients = self.gradients or {
            n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None
        }


def main(data: str, out: str, batch: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dataset, _, labels = open_dataset(data)
    model, extractor = load_classifier(
        "wav2vec2", labels, config={**SIZES["tiny"], **STILL, "apply_spec_augment": False}
    )
    first = First()
    trainer = ClipTrainer(
        model=model,
        args=TrainingArguments(
            out,
            per_device_train_batch_size=int(batch),
            per_device_eval_batch_size=3,
            max_steps=3,
            learning_rate=1e-3,
            logging_steps=1,
            train_sampling_strategy="sequential",
            remove_unused_columns=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
            max_grad_norm=0.0,
        ),
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        data_collator=ClipCollator(extractor, 1.0, random=True),
        eval_collator=ClipCollator(extractor, 1.0),
        loss=ClipLoss(torch.tensor([0.5, 1.0, 1.5]), label_smoothing=0.1),
        callbacks=[first],
    )
    trainer.train()
    scores = trainer.evaluate()
    share(trainer, data, Path(out))
    if not trainer.is_world_process_zero():
        return
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    told = {"processes": trainer.args.world_size, "losses": losses, "eval_loss": scores["eval_loss"]}
    Path(out).mkdir(exist_ok=True)
    Path(out, "told.json").write_text(json.dumps(told))
    gradients = {name.removeprefix("module."): value.contiguous() for name, value in first.gradients.items()}
    save_file(gradients, Path(out, "gradients.safetensors"))
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()}, Path(out, "weights.safetensors")
    )


def share(trainer: ClipTrainer, data: str, out: Path) -> None:
    """Go through an epoch of the stream, and note which video this process had of each clip."""
    trainer.train_dataset = open_stream(data).splits["train"]
    trainer.data_collator = list  # rows as they are
    loader = trainer.get_train_dataloader()
    rows = [row for batch in loader for row in batch]
    out.mkdir(exist_ok=True)
    names = [row["audio"]["path"].split("_")[0] for row in rows]
    (out / f"heard-{trainer.args.process_index}.json").write_text(json.dumps(names))


if __name__ == "__main__":
    main(*sys.argv[1:])
