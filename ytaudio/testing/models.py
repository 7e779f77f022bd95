"""Small real models with random weights, built from a config and never downloaded.

`python -m ytaudio.testing.models FOLDER` writes the small one, which is what the quickstart fine-tunes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Wav2Vec2ForSequenceClassification

LABELS = ("art_music", "food", "history", "travel")
_STRIDES = {
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
}  # wav2vec2's own: 20 ms a frame
SIZES: dict[str, dict[str, Any]] = {
    # a forward pass in milliseconds, everything as in facebook/wav2vec2-base but its widths
    "tiny": {
        **_STRIDES,
        "conv_dim": (8,) * 7,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
        "classifier_proj_size": 16,
    },
    # learns from random weights in minutes on a CPU: normalised layers, no dropout, no masking
    "small": {
        **_STRIDES,
        "conv_dim": (32, 32, 48, 48, 64, 64, 64),
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "classifier_proj_size": 64,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
        "apply_spec_augment": False,
        "layerdrop": 0.0,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "feat_proj_dropout": 0.0,
        "final_dropout": 0.0,
    },
}


def tiny_wav2vec2(
    folder: str | Path | None = None, labels: Sequence[str] = LABELS, *, size: str = "tiny", seed: int = 0
) -> "Wav2Vec2ForSequenceClassification":
    """A Wav2Vec2ForSequenceClassification of a few thousand weights, random but the same for the same seed.

    With a folder, the model and its Wav2Vec2FeatureExtractor are saved there, as a checkpoint that from_pretrained and
    pipeline take. Sizes are "tiny" for tests and "small", which can learn a little.
    """
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    names = dict(enumerate(labels))
    config = Wav2Vec2Config(id2label=names, label2id={name: k for k, name in names.items()}, **SIZES[size])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Wav2Vec2ForSequenceClassification(config).eval()
    if folder is not None:
        model.save_pretrained(folder)
        Wav2Vec2FeatureExtractor(sampling_rate=16_000, do_normalize=True, return_attention_mask=False).save_pretrained(
            folder
        )
    return model


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give a folder: python -m ytaudio.testing.models FOLDER")
    tiny_wav2vec2(sys.argv[1], size="small")
