import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import HfApi, set_client_factory
from huggingface_hub.utils import _http as hub_http
from making import LABELS, dataset_folder
from torch.utils.data import DataLoader
from transformers import TrainingArguments

from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.data import ClipCollator, DatasetError, open_dataset
from ytaudio.training.records import last_checkpoint
from ytaudio.training.streaming import ClipStream, ParquetPart, open_stream
from ytaudio.training.trainer import ClipTrainer

REPO = "tester/streamed"
CNN = {"width": 4, "hidden_size": 8, "dropout": 0.0, "apply_spec_augment": False}


def shards(folder: Path, files: int = 4, rows_a_group: int = 4) -> Path:
    """A dataset of 64 training rows in several files of several row groups."""
    data = dataset_folder(folder, {"train": 32, "validation": 3}, seconds=1.2) / "dataset" / "data"
    whole = data / "train-00000-of-00001.parquet"
    table = pq.read_table(whole)
    whole.unlink()
    each = len(table) // files
    for n in range(files):
        path = data / f"train-{n:05d}-of-{files:05d}.parquet"
        pq.write_table(table.slice(n * each, each), path, row_group_size=rows_a_group)
    return data.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def published(hub, folder):
    api = HfApi()
    api.create_repo(REPO, repo_type="dataset", exist_ok=True)
    return api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path=folder).oid


@pytest.fixture
def fetched(hub):
    """Names and sizes of what is fetched of repositories' files, as the answers say."""
    seen: list[tuple[str, int]] = []

    def note(response):
        if response.request.method == "GET" and "/resolve/" in str(response.request.url):
            seen.append((Path(response.request.url.path).name, int(response.headers["content-length"])))

    def client():
        made = hub_http.default_client_factory()
        made.event_hooks["response"].append(note)
        return made

    set_client_factory(client)
    yield seen
    set_client_factory(hub_http.default_client_factory)


def of_sizes(*groups: int, buffer: int = 8, seed: int = 0) -> ClipStream:
    """A stream of one row group for each size, of which the order alone is asked."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, pa.schema({"label": pa.int64()})) as writer:
        for rows in groups:
            writer.write_table(pa.table({"label": [0] * rows}))
    metadata = pq.ParquetFile(sink.getvalue()).metadata
    return ClipStream([ParquetPart("nowhere", metadata, {"label": [0] * sum(groups)})], seed=seed, buffer=buffer)


def test_what_is_known_before_a_clip_is_read_costs_none_of_the_audio(published, folder, fetched):
    streamed = open_stream(REPO)
    assert (streamed.commit, streamed.labels) == (published, LABELS)
    assert streamed.rows == {"train": 64, "validation": 6}
    assert np.bincount(streamed.splits["train"]["label"]).tolist() == [22, 22, 20]
    rows = open_dataset(folder)[0]["validation"]
    assert streamed.splits["validation"]["video_id"] == list(rows["video_id"])
    assert streamed.splits["validation"]["label"] == list(rows["label"])
    footer = 65_536  # what pyarrow reads at a file's end
    small = [size for _, size in fetched if size != footer]
    assert sum(small) < 20_000 and len(fetched) - len(small) <= 2 * 5


def test_a_few_steps_fetch_a_few_row_groups(published, folder, fetched):
    stream = open_stream(REPO, buffer=8).splits["train"]
    fetched.clear()
    loader = iter(DataLoader(stream, batch_size=4, sampler=stream.order(4, 1), collate_fn=list))
    rows = [row for _ in range(2) for row in next(loader)]
    assert len({row["audio"]["bytes"] for row in rows}) == 8
    size = sum(path.stat().st_size for path in (folder / "data").glob("train*"))
    assert sum(size for _, size in fetched) < 0.2 * size and len(fetched) <= 4, "two row groups of sixteen"
    rest = [row for batch in loader for row in batch]
    assert len({row["audio"]["bytes"] for row in rows + rest}) == 64
    audio = sum(
        pq.ParquetFile(path).metadata.row_group(g).column(0).total_compressed_size
        for path in (folder / "data").glob("train*")
        for g in range(4)
    )
    assert sum(size for _, size in fetched) < 1.05 * audio, "no row group twice"


def test_rows_are_the_datasets_own(folder):
    rows, stream = open_dataset(folder)[0]["train"], open_stream(folder).splits["train"]
    for place in (0, 3, 4, 17, 63, -1):
        assert stream[place] == {name: rows[place][name] for name in ("audio", "label")}
    with pytest.raises(IndexError):
        stream[64]
    assert pickle.loads(pickle.dumps(stream))[17] == stream[17], "workers may be spawned"


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_an_order_holds_each_row_once_and_follows_seed_and_epoch(readers):
    stream = of_sizes(5, 4, 7, 4, 3, 6, 4, 5, 4, 4)
    order = stream.order(4, readers)
    first = list(order)
    assert sorted(first) == list(range(46)) == list(range(len(order)))
    assert list(order) == first == list(of_sizes(5, 4, 7, 4, 3, 6, 4, 5, 4, 4).order(4, readers))
    stream.set_epoch(1)
    assert sorted(order) == sorted(first) and list(order) != first
    assert list(of_sizes(5, 4, 7, 4, 3, 6, 4, 5, 4, 4, seed=1).order(4, readers)) != first


def test_readers_share_no_row_group_until_some_have_run_out():
    order = list(of_sizes(*[8] * 16).order(4, 2))
    batches = np.asarray(order).reshape(-1, 4) // 8
    owned = [set(batches[reader::2].flatten()) for reader in range(2)]
    assert len(owned[0]) == len(owned[1]) == 8 and not owned[0] & owned[1]
    uneven = list(of_sizes(*[8] * 3).order(4, 2))
    assert sorted(uneven) == list(range(24))


def test_rows_are_mixed_among_several_row_groups():
    order = np.asarray(list(of_sizes(*[10] * 20, buffer=50).order(10, 1)))
    for window in order.reshape(-1, 50):
        assert len(set(window // 10)) == 5
        assert len(set(window[:10] // 10)) >= 3, "a batch of one row group alone would be of one video, or class"


def test_fewer_row_groups_than_readers_still_give_every_row():
    assert sorted(of_sizes(6, 5).order(4, 5)) == list(range(11))


def test_two_workers_fetch_no_row_group_twice(published, folder, tmp_path):
    """Each worker notes the groups it reads; sixteen groups of four, two workers, batches of four."""
    stream = open_stream(REPO, buffer=8).splits["train"]
    loader = DataLoader(stream, batch_size=4, sampler=stream.order(4, 2), num_workers=2, collate_fn=Noted(tmp_path))
    seen = Counter(digest for batch in loader for digest in batch)
    assert len(seen) == 64 and set(seen.values()) == {1}
    noted = [path.read_text().split() for path in tmp_path.glob("*.txt")]
    assert len(noted) == 2 and len(noted[0]) == len(noted[1]) == 32
    groups = [{int(place) // 4 for place in places} for places in noted]
    assert not groups[0] & groups[1]


class Noted:
    """A collator that writes down which process saw which rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, rows: list[dict]) -> list[str]:
        names = [row["audio"]["path"] for row in rows]  # trai000012_1.flac: video 12, second clip
        with (self.folder / f"{os.getpid()}.txt").open("a") as file:
            file.writelines(f"{2 * int(name[4:10]) + int(name[11])}\n" for name in names)
        return names


def trainer_of(output: Path, streamed, **settings) -> ClipTrainer:
    torch.manual_seed(0)
    model, extractor = load_classifier("spectrogram_cnn", LABELS, config=CNN)
    fixed = {"per_device_train_batch_size": 4, "learning_rate": 1e-3, "remove_unused_columns": False, "seed": 0}
    quiet = {"disable_tqdm": True, "dataloader_pin_memory": False, "use_cpu": True, "report_to": "none"}
    return ClipTrainer(
        model=model,
        args=TrainingArguments(str(output), **(fixed | quiet | settings)),
        train_dataset=streamed.splits["train"],
        eval_dataset=streamed.splits["validation"],
        data_collator=ClipCollator(extractor, 1.0, random=True),
        eval_collator=ClipCollator(extractor, 1.0),
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resume_in_mid_epoch_ends_as_a_training_that_was_not_cut(published, tmp_path, fetched, workers):
    def settings(steps):
        same = {"save_steps": 21, "lr_scheduler_type": "constant", "dataloader_num_workers": workers}
        return {"max_steps": steps, "logging_steps": 1, **same}

    straight = trainer_of(tmp_path / "straight", open_stream(REPO, buffer=8), **settings(24))
    straight.train()
    assert straight.state.epoch == 1.5, "an epoch is 16 steps, and is counted"
    trainer_of(tmp_path / "cut", open_stream(REPO, buffer=8), **settings(21)).train()
    streamed = open_stream(REPO, buffer=8)
    resumed = trainer_of(tmp_path / "cut", streamed, **settings(24))
    fetched.clear()
    resumed.train(resume_from_checkpoint=last_checkpoint(tmp_path / "cut"))
    assert workers or len(fetched) <= 8, "the row groups of steps 22 to 24 and no others"
    for name, value in straight.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name
    losses = [
        [log["loss"] for log in trainer.state.log_history if "loss" in log][-3:] for trainer in (straight, resumed)
    ]
    assert losses[0] == losses[1]


def test_a_stream_of_what_is_no_parquet_is_refused(tmp_path):
    import soundfile

    for label in ("cats", "dogs"):
        (tmp_path / "train" / label).mkdir(parents=True)
        soundfile.write(tmp_path / "train" / label / "a.wav", np.zeros(16_000), 16_000)
    with pytest.raises(DatasetError, match="is not in Parquet, which streaming needs"):
        open_stream(tmp_path)


def test_rows_without_a_label_are_refused(tmp_path):
    folder = shards(tmp_path)
    path = folder / "data" / "validation-00000-of-00001.parquet"
    table = pq.read_table(path)
    column = pa.array([None, *table["label"].to_pylist()[1:]], table.schema.field("label").type)
    pq.write_table(table.set_column(1, table.schema.field("label"), column), path)
    with pytest.raises(DatasetError, match=r"The validation split of .* lacks labels"):
        open_stream(folder)
