"""Reports and scores to README text, plots and evaluation YAML."""

from .datasets import dataset_card, dataset_plots, eval_yaml, links_card
from .markup import fenced, redacted, text
from .models import (
    TASKS,
    eval_results_yaml,
    is_ours,
    model_card,
    model_plots,
    space_card,
    with_results,
)

__all__ = [
    "TASKS",
    "dataset_card",
    "dataset_plots",
    "eval_results_yaml",
    "eval_yaml",
    "fenced",
    "is_ours",
    "links_card",
    "model_card",
    "model_plots",
    "redacted",
    "space_card",
    "text",
    "with_results",
]
