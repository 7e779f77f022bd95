"""Score an audio classifier on a dataset of the Hub, and publish the result with the model.

    python recipes/evaluate.py --model USER/MODEL --dataset_name USER/DATASET
    python recipes/evaluate.py --model runs/cnn --dataset_name USER/DATASET --split test --output_dir runs/cnn
    python recipes/evaluate.py --model USER/MODEL --dataset_name USER/DATASET --push_to_hub

Any checkpoint of AutoModelForAudioClassification with the dataset's labels can be scored. The result is printed beside
two floors and saved as scores.json; --push_to_hub adds it to the model's repository with card, plots and results.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ytaudio.errors import UserError, mendable
from ytaudio.evaluation.scores import Scores
from ytaudio.evaluation.scoring import score_model
from ytaudio.hub import add_scores
from ytaudio.printing import say
from ytaudio.training.arguments import parse_settings
from ytaudio.training.records import progress_bars
from ytaudio.verdicts import scored_lines


@dataclass
class EvaluateArguments:
    """What to score on what."""

    model: str = field(metadata={"help": "Model: USER/NAME on the Hub, or a folder."})
    dataset_name: str = field(metadata={"help": "Dataset: USER/NAME on the Hub, or a folder."})
    revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit of the dataset."})
    model_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit of the model."})
    split: str | None = field(default=None, metadata={"help": "test if there is one, else validation."})
    crop_seconds: float | None = field(default=None, metadata={"help": "Length of the crops; as trained if left out."})
    crops: int = field(default=3, metadata={"help": "Crops a clip, averaged."})
    batch_size: int = field(default=16, metadata={"help": "Crops at once."})
    trust_remote_code: bool = field(default=False, metadata={"help": "Run the code that the model's repo brings."})
    floors: bool = field(default=True, metadata={"help": "Score the two floors too; they learn from train."})
    streaming: bool = field(default=False, metadata={"help": "Read clips as they are scored; keep none on disk."})
    bf16: bool = field(default=False, metadata={"help": "Compute in bfloat16, where it is faster."})
    output_dir: str | None = field(default=None, metadata={"help": "Where scores.json goes; the model's own folder."})
    push_to_hub: bool = field(default=False, metadata={"help": "Add the result to the model's repository."})


# 1. Settings: an optional YAML file, and the command line over it.
def read_settings(argv: Sequence[str]) -> EvaluateArguments:
    """The arguments, checked before anything is loaded.

    Raises:
        UserError: unknown, of a wrong type, or not fitting together.
    """
    (args,), _ = parse_settings(EvaluateArguments, argv)
    if args.crops < 1 or args.batch_size < 1 or (args.crop_seconds is not None and args.crop_seconds <= 0):
        raise UserError("crops, batch_size and crop_seconds must be above 0: mend the command line.")
    if args.push_to_hub and Path(args.model).is_dir():
        raise UserError(
            f"{args.model} is a folder: publish it whole, with `ytaudio push model {args.model} USER/NAME`."
        )
    return args


# 2. Score the model, and the floors on the same videos.
def score(args: EvaluateArguments) -> Scores:
    """Every figure, with its interval."""
    return score_model(
        args.model,
        args.dataset_name,
        revision=args.revision,
        model_revision=args.model_revision,
        split=args.split,
        crop_seconds=args.crop_seconds,
        crops=args.crops,
        batch_size=args.batch_size,
        trust_remote_code=args.trust_remote_code,
        floors=args.floors,
        streaming=args.streaming,
        bf16=args.bf16,
    )


# 3. Show it: the model beside the floors, F1 by category, and what can be told from so many videos.
def show(scores: Scores) -> None:
    """Two tables and the sentences to quote."""
    say(*scored_lines(scores))


# 4. Keep it, and publish it with the model.
def keep(args: EvaluateArguments, scores: Scores) -> None:
    """Write scores.json, and add the result to the model's repository in one commit if asked to."""
    folder = args.output_dir or (args.model if Path(args.model).is_dir() else None)
    if folder:
        print(f"saved {scores.save(folder)}")
    if args.push_to_hub:
        print(f"published {add_scores(scores, args.model)}")


@mendable()
def main(argv: Sequence[str] | None = None) -> None:
    """All chapters in order; the user's mistakes are one sentence and exit code 2."""
    args = read_settings(sys.argv[1:] if argv is None else list(argv))
    progress_bars()
    scores = score(args)
    show(scores)
    keep(args, scores)


if __name__ == "__main__":
    main()
