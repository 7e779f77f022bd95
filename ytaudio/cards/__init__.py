"""Reports and scores to README text, plots and evaluation YAML."""

from ytaudio.redaction import redacted

from .datasets import dataset_card, dataset_plots, eval_yaml, links_card
from .demos import space_card
from .licences import Licence, licence_in, licence_of
from .markup import fenced, text
from .models import (
    TASKS,
    eval_results_yaml,
    is_ours,
    model_card,
    model_plots,
    with_results,
)

__all__ = [
    "TASKS",
    "Licence",
    "dataset_card",
    "dataset_plots",
    "eval_results_yaml",
    "eval_yaml",
    "fenced",
    "is_ours",
    "licence_in",
    "licence_of",
    "links_card",
    "model_card",
    "model_plots",
    "redacted",
    "space_card",
    "text",
    "with_results",
]
