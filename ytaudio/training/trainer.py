"""Trainer for clips: an exact loss, groups of parameters, mixed crops, averaged weights, scores over videos."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import EvalPrediction, Trainer, TrainerCallback

from ytaudio.intervals import accuracy, counts_of, macro_f1
from ytaudio.training.arguments import SettingsError
from ytaudio.training.averaging import WeightAverage
from ytaudio.training.data import ClipCollator
from ytaudio.training.dropout import CheapDropout, pays
from ytaudio.training.freezing import head_parameter_names
from ytaudio.training.losses import ClipLoss, mix_pairs
from ytaudio.training.streaming import ClipStream

LAYER_WEIGHTS = "layer_weights"  # how parameters that weigh layers are named, in transformers' heads and in ours
LAYER_WEIGHTS_RATE = 1e-3


class VideoMetrics:
    """Accuracy and macro-F1 over videos, for Trainer to choose the best checkpoint by.

    A video's probabilities are the mean over its rows, be they clips or crops of clips, as in evaluation; macro-F1 is
    evaluation's too, the mean over the classes that are true or predicted. Intervals are evaluation's alone.
    """

    def __init__(self, videos: Sequence[Any]) -> None:
        """`videos` names the video of each row of the split, in the order of its rows."""
        number = {video: place for place, video in enumerate(dict.fromkeys(videos))}
        self._places = np.asarray([number[video] for video in videos])

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """Logits (rows, classes) and labels (rows,) to accuracy and macro_f1."""
        scores, truth = prediction.predictions, np.asarray(prediction.label_ids)
        logits = np.asarray(scores[0] if isinstance(scores, tuple) else scores, dtype=np.float64)
        videos, classes = int(self._places.max()) + 1, logits.shape[-1]
        summed, labels = np.zeros((videos, classes)), np.zeros(videos, dtype=np.int64)
        np.add.at(summed, self._places, torch.from_numpy(logits).softmax(-1).numpy())
        labels[self._places] = truth
        counts = counts_of(range(videos), labels.tolist(), summed.argmax(axis=-1).tolist(), videos, classes).sum(axis=0)
        return {"accuracy": float(accuracy(counts)), "macro_f1": float(macro_f1(counts))}


class _Steps(TrainerCallback):
    """Tells the collator the epoch before its first batch is read, and the average every new weights."""

    def __init__(self, collator: ClipCollator, average: WeightAverage | None) -> None:
        self.collator, self.average = collator, average

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After a resume in mid-epoch the epoch is a fraction: its whole part counts."""
        self.collator.set_epoch(int(state.epoch or 0))

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """After the optimiser's step."""
        if self.average:
            self.average.update(model)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """The average, as it was at the best checkpoint if one was chosen, is what stays."""
        if self.average:
            if args.load_best_model_at_end and state.best_model_checkpoint:
                self.average.load(state.best_model_checkpoint)
            self.average.give(model)


class ClipTrainer(Trainer):
    """Trainer whose loss and gradients are those of all the crops of a step, however they are dealt out.

    The loss is the sum over crops divided by the number of crops in the step, over all micro batches and processes: the
    last batch of an epoch may be smaller, and accumulation or a second process change nothing (batch norms apart, which
    see one micro batch of one process). Evaluation has its own collator and the plain loss, without weights or
    smoothing.

    Args:
        loss: of the training, one value a crop.
        head_learning_rate: of the parameters that are not the backbone's; learning_rate where it is None. Layer weights
            hardly move at a backbone's rate and take at least LAYER_WEIGHTS_RATE.
        mixup_alpha: above 0, crops are mixed in pairs.
        ema_decay: above 0, a moving average of the weights is evaluated and kept.
    """

    model: Any  # a PreTrainedModel; Trainer's own type leaves room for none

    def __init__(
        self,
        *,
        data_collator: ClipCollator,
        eval_collator: ClipCollator,
        loss: ClipLoss | None = None,
        head_learning_rate: float | None = None,
        mixup_alpha: float = 0.0,
        ema_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_collator=data_collator, **kwargs)
        # Trainer counts the crops of a step for those who say that they divide by them; `compute_loss` does
        self.model_accepts_loss_kwargs = self.loss_is_scaled_for_ga = True
        self.eval_collator, self.loss = eval_collator, loss or ClipLoss()
        self.head_learning_rate, self.mixup_alpha = head_learning_rate, mixup_alpha
        self.cheap_dropout = self.args.device.type == "cpu" and pays()
        self.average = WeightAverage(self.model, ema_decay) if ema_decay else None
        self.add_callback(_Steps(data_collator, self.average))

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """As Trainer's, with the other collator."""
        training, self.data_collator = self.data_collator, self.eval_collator
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = training

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """As Trainer's, but a stream has an order in which its readers, workers of all processes, do not meet."""
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if isinstance(dataset, ClipStream):
            readers = max(1, self.args.dataloader_num_workers) * self.args.world_size
            return dataset.order(self._train_batch_size, readers)
        return super()._get_train_sampler(train_dataset)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The summed loss of a micro batch as its share of the step's mean."""
        labels = inputs["labels"]
        fed = {name: value for name, value in inputs.items() if name != "labels"}
        targets, loss = labels, self.loss if model.training else ClipLoss()
        if model.training and self.mixup_alpha:
            (name, values), classes = next(iter(fed.items())), self.model.config.num_labels
            fed[name], targets = mix_pairs(values, labels, classes, self.mixup_alpha)
        with CheapDropout() if model.training and self.cheap_dropout else nullcontext():
            outputs = model(**fed)
        summed = loss(outputs.logits, targets).sum()
        if num_items_in_batch is None:
            mean = summed / len(labels)
        else:
            # the processes' gradients are averaged afterwards, so each one's share is of a sum
            mean = summed * self.accelerator.num_processes / torch.as_tensor(num_items_in_batch).flatten()[0]
        return (mean, outputs) if return_outputs else mean

    def create_optimizer(self, model: Any = None) -> Any:
        """As Trainer's, with groups of their own for the head and for layer weights."""
        trained: Any = self.model if model is None else model
        if self.optimizer is None:
            make, settings = self.optimizer_cls_and_kwargs or self.get_optimizer_cls_and_kwargs(self.args, trained)
            self.optimizer = make(self._groups(trained), **settings)
        return super().create_optimizer(trained)

    def _groups(self, model: Any) -> list[dict[str, Any]]:
        """The trained parameters by learning rate and weight decay."""
        head, decayed = head_parameter_names(model), set(self.get_decay_parameter_names(model))
        rate = self.args.learning_rate
        groups: dict[tuple[float, float], list[Any]] = {}
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            own = self.head_learning_rate or rate if name in head else rate
            decay = self.args.weight_decay if name in decayed else 0.0
            if name.endswith(LAYER_WEIGHTS):
                own, decay = self.head_learning_rate or max(rate, LAYER_WEIGHTS_RATE), 0.0
            groups.setdefault((own, decay), []).append(parameter)
        return [{"params": found, "lr": own, "weight_decay": decay} for (own, decay), found in groups.items()]

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As Trainer's, with the average's weights if there is one."""
        with self.average.swapped(self.model) if self.average else nullcontext():
            return super().evaluate(*args, **kwargs)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """A checkpoint keeps the weights to go on from, and the average beside them."""
        super()._save(output_dir, state_dict)
        if self.average and output_dir and Path(output_dir).name.startswith("checkpoint-") and self.args.should_save:
            self.average.save(output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.average:
            self.average.load(resume_from_checkpoint)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with _loaded_as_data(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with _loaded_as_data(checkpoint):
            super()._load_rng_state(checkpoint)


@contextmanager
def _loaded_as_data(checkpoint: str | None) -> Iterator[None]:
    """A checkpoint's pickles are read as data, never as code, which may come with a folder of somebody else's.

    Raises:
        SettingsError: in place of torch's error, which advises to run it.
    """
    try:
        yield
    except UnpicklingError:
        said = f"{checkpoint} holds more than a training's state, or is damaged, and is not loaded"
        raise SettingsError(f"{said}: go on from another checkpoint, or give --resume_from_checkpoint none.") from None
