"""A model cut in two: what the frozen backbone makes of a crop, kept, and the head that is put on it."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ytaudio.durable import write_whole
from ytaudio.errors import ModelError, writing_to
from ytaudio.training.data import ClipCollator, CropsOf, encoded
from ytaudio.training.freezing import backbone_of, head_parameter_names

_NO_MATTER = ("id2label", "label2id", "_commit_hash", "_name_or_path", "architectures")  # to an embedding
_AT_ONCE = 64  # crops whose embeddings are written together: what a run that is cut short may lose
_CLOSE = 1e-3  # how far logits of the two ways may differ, relative to the largest: sums in another order

Progress = Callable[[int, int], None]  # crops done, crops in all


class _OneFrame(nn.Module):
    """Stands where the backbone stood and gives an embedding back as a sequence of one frame."""

    def __init__(self, pooler: bool) -> None:
        super().__init__()
        self.pooler = pooler

    def forward(self, embedding: Tensor, *_: Any, **__: Any) -> BaseModelOutputWithPooling:
        """(batch, layers, features) to what a backbone answers, its frames' mean being the embedding."""
        if self.pooler:
            return BaseModelOutputWithPooling(pooler_output=embedding[:, 0])
        layers = tuple(layer[:, None] for layer in embedding.unbind(1))
        return BaseModelOutputWithPooling(last_hidden_state=layers[-1], hidden_states=layers)


class Cut:
    """A model as `embed` and `classify`, one after the other its own forward pass.

    Our own models are written so. A head of transformers' takes the mean of a linear projection over the frames, which
    is the projection of the mean: so the mean over the frames (of every layer, where layers are weighed) is all that
    it needs, and for AST the pooled output is.

    Raises:
        ModelError: a model that needs more than one vector a crop.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model: Any = model
        self.own = hasattr(model, "embed") and hasattr(model, "classify")
        self.backbone = backbone_of(model)
        if getattr(model.config, "pooling", "") == "attention":
            raise ModelError(
                "Attention pooling learns from every frame, so there is no embedding to keep: take pooling mean or "
                "statistics with --probe or --head_first, or train the head with --freeze backbone."
            )
        if not self.own and self.backbone is None:
            raise ModelError(f"{model.config.model_type} has no backbone to embed with: train it without probing.")
        names = head_parameter_names(model)
        self.head = {name: parameter for name, parameter in model.named_parameters() if name in names}
        self._stub = _OneFrame(pooler=False)

    @torch.no_grad()
    def embed(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        """What the extractor made, (batch, ...), to embeddings (batch, layers, features) and the model's own logits."""
        if self.own:
            embedding = self.model.embed(sound)
            logits = self.model.classify(embedding)
            return embedding.reshape(len(embedding), -1, embedding.shape[-1]).float(), logits.float()
        assert self.backbone is not None
        seen: list[Any] = []
        handle = self.backbone.register_forward_hook(lambda _, __, output: seen.append(output))
        try:
            logits = self.model(**{self.model.main_input_name: sound}).logits
        finally:
            handle.remove()
        output = seen[-1]
        self._stub.pooler = getattr(output, "pooler_output", None) is not None
        if self._stub.pooler:
            return output.pooler_output[:, None].float(), logits.float()
        weighed = getattr(self.model.config, "use_weighted_layer_sum", False)
        layers = output.hidden_states if weighed else (output.last_hidden_state,)
        return torch.stack([layer.float().mean(1) for layer in layers], dim=1), logits.float()

    def classify(self, embedding: Tensor) -> Tensor:
        """Logits (batch, labels) of embeddings (batch, layers, features); inside `headed`, with gradients."""
        embedding = embedding.to(self.model.dtype)
        if not self.own:
            return self.model(embedding).logits.float()
        whole = hasattr(self.model, "layer_weights")  # the CNN's embedding is a vector, not layers
        return self.model.classify(embedding if whole else embedding[:, 0]).float()

    @contextmanager
    def headed(self) -> Iterator[None]:
        """The backbone put aside, so that the model's forward pass is its head's."""
        if self.own:
            yield
            return
        name = next(n for n, module in self.model.named_modules() if module is self.backbone)
        setattr(self.model, name, self._stub)
        try:
            yield
        finally:
            setattr(self.model, name, self.backbone)

    def check(self, embedding: Tensor, logits: Tensor) -> None:
        """Hold the head on an embedding against the model's own logits.

        Raises:
            ModelError: they differ, so this head needs more than the embedding.
        """
        with self.headed(), torch.no_grad():
            again = self.classify(embedding)
        if (again - logits).abs().max() > _CLOSE * max(1.0, float(logits.abs().max())):
            raise ModelError(
                f"The head of this {self.model.config.model_type} needs more than the mean over the frames: train it "
                "with --freeze backbone instead of --probe or --head_first."
            )


def backbone_key(model: PreTrainedModel, extractor: Any, samples: int) -> str:
    """A name for all that an embedding depends on beside the sound: weights, config, extractor and crop length."""
    told = {**model.config.to_dict(), **dict.fromkeys(_NO_MATTER), "extractor": extractor.to_dict()}
    digest = hashlib.blake2b(f"{samples} {json.dumps(told, sort_keys=True, default=str)}".encode(), digest_size=16)
    head = head_parameter_names(model)
    for name, value in sorted(model.state_dict().items()):
        if name not in head:
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def crop_key(row: dict[str, Any]) -> bytes:
    """A name for the crop that a row of `CropsOf` stands for: 16 bytes of its clip's content and its place."""
    audio = row["audio"]
    held = audio.get("waveform")
    digest = hashlib.blake2b(repr(row.get("part")).encode(), digest_size=16)
    digest.update(encoded(audio) if held is None else held.tobytes())
    return digest.digest()


class EmbeddingStore:
    """Embeddings in memory, and in a folder if there is one, each under its crop's key.

    A crop is known by its content, so the folds of a cross-validation, a second run and one that was cut short share
    what was embedded before. Each `add` is a file of its own, whole or not there.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self.folder = folder / key if folder else None
        self.kept: dict[bytes, Tensor] = {}
        for path in sorted(self.folder.glob("*.safetensors")) if self.folder and self.folder.is_dir() else ():
            read = load_file(path)
            self.kept.update(zip(map(bytes, read["keys"].numpy()), read["embeddings"], strict=True))

    def add(self, keys: Sequence[bytes], embeddings: Tensor) -> None:
        """Keep embeddings (crops, layers, features).

        Raises:
            UserError: the folder cannot be written.
        """
        embeddings = embeddings.cpu().contiguous()
        self.kept.update(zip(keys, embeddings, strict=True))
        if self.folder:
            names = torch.frombuffer(bytearray(b"".join(keys)), dtype=torch.uint8).reshape(len(keys), -1)
            with writing_to(self.folder):
                content = save({"keys": names.contiguous(), "embeddings": embeddings})
                write_whole(self.folder / f"{secrets.token_hex(8)}.safetensors", content)


def embed_split(
    cut: Cut,
    collator: ClipCollator,
    split: Any,
    store: EmbeddingStore,
    *,
    crops: int,
    batch_size: int,
    workers: int = 0,
    progress: Progress | None = None,
) -> tuple[tuple[Tensor, Tensor], int, int]:
    """Every crop of a split: (embeddings (crops, layers, features), labels (crops,)), crops, how many embedded now.

    Raises:
        ModelError: the first batch shows that the head needs more than an embedding.
        UserError: the store's folder cannot be written.
    """
    rows, device = CropsOf(split, crops), cut.model.device
    named = [(crop_key(row), row["label"]) for row in map(rows.__getitem__, range(len(rows)))]
    missing = {key: place for place, (key, _) in enumerate(named) if key not in store.kept}  # equal clips count once
    keys, places = list(missing), list(missing.values())
    waiting: list[Tensor] = []
    own = torch.Generator()  # a loader draws a seed for its workers, and not from the caller's randomness
    loader = DataLoader(Subset(rows, places), batch_size, collate_fn=collator, num_workers=workers, generator=own)
    for start, batch in zip(range(0, len(places), batch_size), loader, strict=True):
        embedding, logits = cut.embed(batch[collator.name].to(device, cut.model.dtype))
        if not start:
            cut.check(embedding, logits)
        waiting.extend(embedding.cpu())
        done = min(start + batch_size, len(places))
        if len(waiting) >= _AT_ONCE or done == len(places):
            store.add(keys[done - len(waiting) : done], torch.stack(waiting))
            waiting.clear()
        if progress:
            progress(done, len(places))
    heard = torch.stack([store.kept[key] for key, _ in named]).to(device)
    return (heard, torch.tensor([label for _, label in named], device=device)), len(named), len(places)
