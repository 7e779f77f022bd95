import json
import re

import pyarrow.parquet as pq
import pytest
from making import LABELS, build_folder, dataset_folder, model_folder, scores_of, write_report

from ytaudio.packing import HubError, dataset_files, link_files, model_files, result_files

TEST = "data/test-00000-of-00001.parquet"


def test_a_build_packs_from_its_folder_and_from_the_dataset_in_it(tmp_path):
    folder = dataset_folder(tmp_path)
    assert dataset_files(folder, "a/b") == dataset_files(folder / "dataset", "a/b")
    (folder / "dataset" / "data" / "notes.txt").write_text("not data")
    assert sorted(name for name in dataset_files(folder, "a/b") if name.startswith("data/")) == [
        TEST,
        "data/train-00000-of-00001.parquet",
        "data/validation-00000-of-00001.parquet",
    ]


def test_every_example_on_the_card_is_packed_and_links_pack_none(tmp_path):
    files = dataset_files(dataset_folder(tmp_path / "data"), "a/b")
    sounds = {name for name in files if name.startswith("examples/")}
    assert sounds == {
        f"examples/{name}.flac" for name in ("art_music", "art_music-2", "food", "food-2", "travel", "travel-2")
    }
    assert set(re.findall(r"examples/[\w-]+\.flac", files["README.md"].decode())) == sounds
    assert set(re.findall(r"!\[[^]]*\]\(([^)]*)\)", files["README.md"].decode())) <= set(files)
    (tmp_path / "links").mkdir()
    links = link_files(build_folder(tmp_path / "built"), "a/b", tmp_path / "links")
    assert not any("example" in name for name in links) and b"<audio" not in links["README.md"]


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda d: (d / "report.json").unlink(), "report.json cannot be read"),
        (lambda d: (d / "report.json").write_text("{"), "report.json cannot be read"),
        (lambda d: (d / TEST).write_bytes(b"PAR1"), "cannot be read as Parquet"),
        (lambda d: (d / TEST).unlink(), "holds 36 clips and its report tells of 48"),
        (lambda d: (d / TEST).rename(d / "data" / "test-00001-of-00002.parquet"), "lacks a part of the split test"),
        (lambda d: (d / TEST).rename(d / "data" / "test.parquet"), "is not a file of a dataset"),
        (lambda d: pq.write_table(pq.read_table(d / TEST, columns=["audio"]), d / TEST), "is not a file of a dataset"),
        (lambda d: (d / "data").rename(d / "elsewhere"), "holds no dataset"),
        (lambda d: write_report(d, clips=0), "its report tells of 0"),
    ],
)
def test_a_dataset_that_is_not_whole_is_one_sentence(tmp_path, break_it, sentence):
    folder = dataset_folder(tmp_path)
    break_it(folder / "dataset")
    with pytest.raises(HubError, match=re.escape(sentence)) as refused:
        dataset_files(folder, "a/b")
    assert "\n" not in str(refused.value)


def test_links_pack_from_the_build_and_from_the_dataset_in_it(tmp_path):
    folder = build_folder(tmp_path / "built")
    packed = []
    for given in (folder, folder / "dataset"):
        place = tmp_path / f"place{len(packed)}"
        place.mkdir()
        files = link_files(given, "a/b", place)
        packed.append({name: what if isinstance(what, bytes) else what.read_bytes() for name, what in files.items()})
    assert packed[0] == packed[1]
    assert set(packed[0]) == {
        *(f"data/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")),
        *("README.md", "report.json", "plots/classes.png", "plots/channels.png"),
    }
    report = json.loads(packed[0]["report.json"])
    assert report.pop("links_only") is True
    original = json.loads((folder / "dataset" / "report.json").read_text())
    without = {"rejected_lines", "failed_examples", "rebuilt"}
    assert {**report, **dict.fromkeys(without)} == {**original, **dict.fromkeys(without)}


def test_links_carry_neither_the_cells_of_a_list_nor_what_sites_said(tmp_path):
    folder = build_folder(tmp_path / "built")
    path, words = folder / "dataset" / "report.json", "Removed at the wish of Ann Example"
    report = json.loads(path.read_text()) | {
        "rejected_lines": [{"line": 3, "reason": "bad_link", "value": words}],
        "failed": {"removed": 1},
        "failed_examples": {"removed": [f"abcdefghijk: {words}: today"]},
        "rebuilt": {"gone_examples": {"removed": [f"abcdefghijk: {words}"]}, "videos": {}, "clips": {}, "of": "a/b@c"},
    }
    report["rebuilt"]["videos"] = dict.fromkeys(
        ("identical", "same_sound", "unproven", "changed", "gone", "unvisited"), 0
    )
    report["rebuilt"]["clips"] = dict.fromkeys(("identical", "same_sound", "unproven", "changed"), 0)
    path.write_text(json.dumps(report))
    files = link_files(folder, "a/b", tmp_path)
    packed = {name: what for name, what in files.items() if isinstance(what, bytes)}
    assert not [name for name, content in packed.items() if b"Ann Example" in content]
    told = json.loads(packed["report.json"])
    assert told["failed_examples"] == told["rebuilt"]["gone_examples"] == {"removed": ["abcdefghijk"]}
    assert told["rejected_lines"] == [{"line": 3, "reason": "bad_link", "value": ""}]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_model_that_is_not_whole_is_one_sentence(tmp_path, name):
    folder = model_folder(tmp_path)
    (folder / name).unlink()
    with pytest.raises(HubError, match=re.escape(name)):
        model_files(folder, "a/b")


def test_a_model_in_parts_needs_every_part(tmp_path):
    from transformers import AutoModelForAudioClassification

    folder = model_folder(tmp_path / "whole")
    AutoModelForAudioClassification.from_pretrained(folder).save_pretrained(tmp_path / "parts", max_shard_size="5KB")
    (folder / "preprocessor_config.json").rename(tmp_path / "parts" / "preprocessor_config.json")
    parts = sorted(path.name for path in (tmp_path / "parts").glob("model-*.safetensors"))
    assert len(parts) > 1 and set(parts) < set(model_files(tmp_path / "parts", "a/b"))
    (tmp_path / "parts" / parts[1]).unlink()
    with pytest.raises(HubError, match=f"lacks {parts[1]}"):
        model_files(tmp_path / "parts", "a/b")


@pytest.mark.parametrize("name", ["scores.json", "training_run.json"])
def test_a_record_that_cannot_be_read_is_one_sentence(tmp_path, name):
    folder = model_folder(tmp_path)
    (folder / name).write_text("{}")
    with pytest.raises(HubError, match=f"{re.escape(name)} cannot be read"):
        model_files(folder, "a/b")


def test_checkpoints_and_the_trainers_own_files_stay_at_home(tmp_path):
    folder = model_folder(tmp_path)
    (folder / "checkpoint-10").mkdir()
    (folder / "checkpoint-10" / "model.safetensors").write_bytes(b"x")
    (folder / "training_args.bin").write_bytes(b"x")
    assert set(model_files(folder, "a/b")) == {
        *("config.json", "model.safetensors", "preprocessor_config.json", "training_run.json"),
        *("README.md", "plots/training.png"),
    }


def test_scores_of_a_folder_are_published_under_the_models_own_name(tmp_path):
    folder = model_folder(tmp_path)
    scores_of([0, 1], [0, 1], model="runs/here").save(folder)
    assert json.loads(model_files(folder, "a/b")["scores.json"])["model_id"] == "a/b"


def test_results_on_a_folder_name_no_leaderboard():
    assert not any(".eval_results" in name for name in result_files(scores_of([0], [0], dataset_revision="")))
    assert any(".eval_results" in name for name in result_files(scores_of([0], [0], labels=LABELS)))
