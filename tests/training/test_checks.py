from types import SimpleNamespace

import pytest
from transformers import ASTFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from ytaudio.errors import UserError
from ytaudio.training.arguments import SettingsError
from ytaudio.training.checks import check_settings, crop_length


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


def test_a_crop_is_what_the_model_hears():
    assert crop_length(Wav2Vec2FeatureExtractor(), None) == 5 and crop_length(Wav2Vec2FeatureExtractor(), 600) == 600
    assert crop_length(WhisperFeatureExtractor(), None) == 30 and crop_length(WhisperFeatureExtractor(), 8.0) == 8
    assert crop_length(ASTFeatureExtractor(), None) == pytest.approx(10.24)
    with pytest.raises(SettingsError, match="crop_seconds is 31 and this model hears 30 s at most"):
        crop_length(WhisperFeatureExtractor(), 31.0)
