"""What a training says while it runs: one line an epoch, and on a terminal a bar of one line beneath them."""

import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback

from ytaudio.errors import UserError

_PACKAGES = {"tensorboard": ("tensorboardX", "tensorboard")}  # either does; the first is the smaller one


def check_trackers(report_to: str | Sequence[str] | None) -> None:
    """Refuse --report_to something that is not installed.

    Raises:
        UserError: with the command that installs it.
    """
    for name in [report_to] if isinstance(report_to, str) else report_to or []:
        packages = _PACKAGES.get(name, (name,))
        if name not in ("none", "all") and not any(find_spec(package) for package in packages):
            raise UserError(f"--report_to {name} needs a package that is not here: pip install {packages[0]}.")


class EpochLines(TrainerCallback):
    """Says after each evaluation (or, without any, after each log) how the training stands; process 0 alone speaks."""

    def __init__(self, console: Console | None = None) -> None:
        # as wide as the line needs where it is not a terminal: a log is not wrapped
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.bar: Progress | None = None
        self.loss: float | None = None
        self.best: tuple[float, float] | None = None  # value of the metric, epoch
        self.since = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The bar, from the step that the training goes on from."""
        self.since = time.monotonic()
        if state.best_metric is not None:
            known = [entry for entry in state.log_history if _metric(args) in entry]
            epochs = [entry["epoch"] for entry in known if entry[_metric(args)] == state.best_metric]
            self.best = (state.best_metric, epochs[0] if epochs else 0.0)
        if state.global_step and state.is_world_process_zero:
            self.console.print(f"going on from step {state.global_step} of {state.max_steps}", markup=False)
        if state.is_world_process_zero and self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.bar.add_task("training", total=state.max_steps, completed=state.global_step)
            self.bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """One step further."""
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=state.global_step, description="training")

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The bar stands while validation is read, and says so."""
        if self.bar:
            self.bar.update(self.bar.task_ids[0], description="validation")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """The loss since the last log; the line itself where nothing is evaluated."""
        if logs and "loss" in logs:
            self.loss = float(logs["loss"])
            if str(getattr(args.eval_strategy, "value", args.eval_strategy)) == "no":
                self._say(args, state, {})

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **kwargs: Any
    ) -> None:
        """The line of an epoch."""
        self._say(args, state, metrics or {})

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """No bar from here on."""
        if self.bar:
            self.bar.stop()
            self.bar = None

    def _say(self, args: Any, state: Any, metrics: dict[str, float]) -> None:
        epoch = float(state.epoch or 0)
        of = state.num_train_epochs if args.max_steps <= 0 else f"{state.max_steps} steps"
        at = f"{epoch:.3g}" if args.max_steps <= 0 else f"{epoch:.3g}, step {state.global_step}"
        words = [f"epoch {at}/{of}"]
        if self.loss is not None:
            words.append(f"loss {self.loss:.4f}")
        if "eval_macro_f1" in metrics:
            words.append(f"validation macro-F1 {metrics['eval_macro_f1']:.3f}")
        chosen_by = _metric(args)
        if chosen_by in metrics and args.load_best_model_at_end:
            words[-1] += self._standing(args, float(metrics[chosen_by]), epoch, chosen_by)
        now = time.monotonic()
        words.append(f"{now - self.since:.1f} s")
        self.since = now
        if state.is_world_process_zero:
            self.console.print(" · ".join(words), markup=False)

    def _standing(self, args: Any, value: float, epoch: float, name: str) -> str:
        better = self.best is None or (value > self.best[0] if args.greater_is_better else value < self.best[0])
        if better or self.best is None:
            self.best = (value, epoch)
        own = "" if name == "eval_macro_f1" else f"{name.removeprefix('eval_')} {value:.4g}, "
        return f" ({own}best so far)" if better else f" ({own}best {self.best[0]:.3f} in epoch {self.best[1]:.3g})"


def _metric(args: Any) -> str:
    name = args.metric_for_best_model or "loss"
    return name if name.startswith("eval_") else f"eval_{name}"


def told(probe: Any) -> Any:
    """The Probe that a recipe fitted, after saying in one line what came of it."""
    score = "" if probe.best_macro_f1 is None else f" · validation macro-F1 {probe.best_macro_f1:.3f}"
    embedded = f"{probe.embedded} of {probe.crops} crops embedded in {probe.embedding_seconds:.1f} s"
    epoch = f"head of epoch {probe.best_epoch}/{len(probe.history)}"
    line = f"{epoch}{score} · {embedded}, {probe.epoch_seconds:.3f} s an epoch"
    Console(highlight=False, soft_wrap=True).print(line, markup=False)
    return probe
