from types import SimpleNamespace

import pytest

from ytaudio.errors import UserError
from ytaudio.training.checks import check_settings


def told(**changes) -> tuple[SimpleNamespace, SimpleNamespace]:
    run = {"crop_seconds": None, "streaming": False, "preload": False, "probe": False, "freeze": "none"}
    run |= {"price_per_hour": "", "dry_run": True}
    args = {"output_dir": "run", "hub_token": None, "resume_from_checkpoint": "auto", "push_to_hub": False}
    args |= {"hub_model_id": None, "report_to": [], "process_index": 0, "world_size": 1, "dataloader_pin_memory": True}
    assert changes.keys() <= run.keys() | args.keys()
    return tuple(SimpleNamespace(**{key: changes.get(key, value) for key, value in one.items()}) for one in (run, args))


def test_what_can_be_done_is_let_through_without_a_bar_where_there_is_no_terminal():
    run, args = told()
    check_settings(run, args)
    assert args.disable_tqdm


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"output_dir": ""}, "Give --output_dir"),
        ({"hub_token": "hf_x"}, "set HF_TOKEN"),
        ({"resume_from_checkpoint": "nowhere"}, "There is no checkpoint"),
        ({"push_to_hub": True}, "Give --hub_model_id"),
        ({"crop_seconds": 0.0}, "above 0"),
        ({"streaming": True, "preload": True}, "give one of them"),
        ({"probe": True, "freeze": "lower:2"}, "leave --freeze lower:2 out"),
        ({"report_to": ["swanlab"]}, "pip install swanlab"),
        ({"price_per_hour": "much"}, "a number and a currency"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(changes, says):
    with pytest.raises(UserError, match=says):
        check_settings(*told(**changes))
