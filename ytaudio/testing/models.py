"""Small real models with random weights, built from a config and never downloaded.

`python -m ytaudio.testing.models FOLDER` writes the small one, which is what the quickstart fine-tunes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Wav2Vec2ForSequenceClassification

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

_TRANSFORMER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
_CONVOLUTIONS = {  # 20 ms a frame
    "conv_dim": [8, 8, 8],
    "conv_kernel": [20, 8, 4],
    "conv_stride": [20, 4, 4],
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
}
_WAVEFORM = _TRANSFORMER | _CONVOLUTIONS
# a config a few thousand weights large, and what its feature extractor is told, by model type
TINY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "audio-spectrogram-transformer": (_TRANSFORMER | {"max_length": 100}, {"max_length": 100}),  # frames of 10 ms
    "data2vec-audio": (_WAVEFORM | {"conv_pos_kernel_size": 3, "num_conv_pos_embeddings": 2}, {}),
    "hubert": (_WAVEFORM, {}),
    "sew": (_WAVEFORM, {}),
    "sew-d": (_WAVEFORM | {"position_buckets": 16, "max_position_embeddings": 32}, {}),
    "spectrogram_cnn": ({"width": 4, "depth": 2, "hidden_size": 8, "num_mel_bins": 16}, {}),
    "unispeech": (_WAVEFORM, {}),
    "unispeech-sat": (_WAVEFORM, {}),
    "wav2vec2": (_WAVEFORM, {}),
    "wav2vec2-bert": (_TRANSFORMER | {"feature_projection_input_dim": 160, "classifier_proj_size": 8}, {}),
    "wav2vec2-conformer": (_WAVEFORM, {}),
    "wavlm": (_WAVEFORM | {"num_buckets": 16, "max_bucket_distance": 32}, {}),
    "whisper": (
        {
            "d_model": 16,
            "classifier_proj_size": 8,
            "max_source_positions": 50,
            "num_mel_bins": 16,
            "vocab_size": 64,
            "pad_token_id": 0,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "decoder_start_token_id": 0,
            **{
                f"{side}_{what}": size
                for side in ("encoder", "decoder")
                for what, size in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 16))
            },
        },
        {"chunk_length": 1, "feature_size": 16},  # 1 s instead of 30
    ),
}


def tiny(
    model_type: str, folder: str | Path | None = None, labels: Sequence[str] = LABELS, *, seed: int = 0, **settings: Any
) -> tuple["PreTrainedModel", Any]:
    """An audio classifier of a type of TINY and its feature extractor, random but the same for the same seed.

    `settings` change its config. With a folder, both are saved there, as a checkpoint that from_pretrained and pipeline
    take. For "spectrogram_cnn" import ytaudio.models first, which tells transformers of it.
    """
    import torch
    from transformers import (
        FEATURE_EXTRACTOR_MAPPING,
        AutoConfig,
        AutoModelForAudioClassification,
        SeamlessM4TFeatureExtractor,
    )

    names = dict(enumerate(labels))
    shape, heard = TINY[model_type]
    config = AutoConfig.for_model(
        model_type, **(shape | settings), id2label=names, label2id={name: k for k, name in names.items()}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForAudioClassification.from_config(config).eval()
    extractor: Any = FEATURE_EXTRACTOR_MAPPING[type(config)]
    if model_type == "wav2vec2-bert":  # which the mapping gives a waveform; published ones name this extractor
        extractor = SeamlessM4TFeatureExtractor
    extractor = extractor(**heard)
    if folder is not None:
        model.save_pretrained(folder)
        extractor.save_pretrained(folder)
    return model, extractor


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
