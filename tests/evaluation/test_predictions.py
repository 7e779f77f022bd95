import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi
from making import LABELS, scores_of

from ytaudio.errors import UserError
from ytaudio.evaluation.predictions import (
    load_scores,
    predictions_parquet,
    predictions_path,
    read_predictions,
)
from ytaudio.evaluation.scores import by_video, figures, floor_of

RNG = np.random.default_rng(5)
TRUTH = RNG.integers(0, 3, 30)
PREDICTED = np.where(RNG.random(30) < 0.7, TRUTH, RNG.integers(0, 3, 30))


def scored(**changes):
    """Scores as score_model leaves them: three clips a video, three videos a channel, addresses, a floor."""
    keys = [(f"video{n}", f"channel{n // 3}", int(TRUTH[n])) for n in range(30) for _ in range(3)]
    shares = RNG.dirichlet(np.ones(3), 90) + np.repeat(np.eye(3)[PREDICTED], 3, axis=0)
    urls = [f"https://example.org/{key[0]}" for key in keys]
    predictions = by_video(keys, shares / 2, LABELS, urls)
    floors = {"majority class": floor_of("says food", [replace(p, predicted="food") for p in predictions], LABELS)}
    base = scores_of(TRUTH, PREDICTED, floors=floors)
    return replace(base, predictions=predictions, **figures(predictions, LABELS), **changes)


def test_every_figure_comes_back_from_the_table_alone(tmp_path):
    scores = scored()
    path = tmp_path / "test.parquet"
    path.write_bytes(predictions_parquet(scores))
    assert read_predictions(path) == scores
    assert scores.units == "10 channels" and scores.floors["majority class"].predicted["video0"] == "food"


def test_the_table_is_for_people_too(tmp_path):
    path = tmp_path / "test.parquet"
    path.write_bytes(predictions_parquet(scored()))
    table = pq.read_table(path)
    assert table.column_names == [
        *("video_id", "channel_id", "url", "label", "predicted"),
        *(f"p_{label}" for label in LABELS),
        *("clips_predicted", "clips_probabilities", "floor: majority class"),
    ]
    row = table.to_pylist()[0]
    assert row["url"] == "https://example.org/video0" and np.shape(row["clips_probabilities"]) == (3, 3)
    assert np.mean(row["clips_probabilities"], axis=0) == pytest.approx(
        [row[f"p_{label}"] for label in LABELS], abs=1e-6
    )


def test_a_table_of_before_and_somebody_elses_give_what_they_tell(tmp_path):
    scores = scored()
    path = tmp_path / "validation.parquet"
    path.write_bytes(predictions_parquet(scores))
    table = pq.read_table(path)
    bare = table.select(["video_id", "label", *(f"p_{label}" for label in LABELS)]).replace_schema_metadata({})
    pq.write_table(bare, path)
    found = load_scores(str(path))
    assert (found.split, found.accuracy, found.macro_f1) == ("validation", scores.accuracy, scores.macro_f1)
    assert found.confusion == scores.confusion and found.units == "30 videos" and found.floors == {}
    pq.write_table(table.select(["video_id"]), path)
    with pytest.raises(UserError, match="lacks the columns"):
        load_scores(str(path))
    pq.write_table(table.drop_columns([f"p_{LABELS[0]}"]), path)
    with pytest.raises(UserError, match=f"lacks the column p_{LABELS[0]}"):
        load_scores(str(path))
    path.write_bytes(b"PAR1")
    with pytest.raises(UserError, match="score the model again"):
        load_scores(str(path))


def test_a_folder_gives_the_split_that_is_asked_for(tmp_path):
    test, validation = scored(), scored(split="validation")
    test.save(tmp_path)
    (tmp_path / "predictions").mkdir()
    for scores in (test, validation):
        (tmp_path / predictions_path(scores.split)).write_bytes(predictions_parquet(scores))
    assert load_scores(str(tmp_path)).split == "test"
    assert load_scores(str(tmp_path), split="validation") == validation
    with pytest.raises(UserError, match="has scores on test, validation: choose with --split"):
        load_scores(str(tmp_path), split="train")
    (tmp_path / "scores.json").unlink()
    assert load_scores(str(tmp_path)) == test
    (tmp_path / predictions_path("test")).unlink()
    assert load_scores(str(tmp_path)) == validation
    shutil.copy(tmp_path / predictions_path("validation"), tmp_path / predictions_path("other"))
    with pytest.raises(UserError, match="other, validation: choose with --split"):
        load_scores(str(tmp_path))


def test_from_a_hub_id_alone_at_any_revision(hub):
    api, repo = HfApi(), "tester/predicting"
    api.create_repo(repo)
    old = scored(model_id=repo)
    first = api.upload_file(
        path_or_fileobj=predictions_parquet(old), path_in_repo=predictions_path("test"), repo_id=repo
    ).oid
    newer = scores_of(TRUTH, TRUTH, model=repo)
    api.upload_file(path_or_fileobj=newer.to_json().encode(), path_in_repo="scores.json", repo_id=repo)
    assert load_scores(repo) == newer
    assert load_scores(repo, revision=first) == old
    named = load_scores(f"{repo}@{first}")
    assert named.model_id == f"{repo}@{first}", "two revisions of one model have two names"
    assert named.accuracy == old.accuracy
    with pytest.raises(UserError, match=repo):
        load_scores(f"{repo}@nowhere")
