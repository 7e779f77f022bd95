"""Any pretrained audio backbone with a head that pools its frames: by mean, by statistics or by attention.

For what transformers' own heads cannot do: statistics pooling (x-vectors: Snyder et al. 2018), attentive statistics
pooling (Okabe et al. 2018, https://arxiv.org/abs/1803.10963), and learned layer weights (SUPERB: Yang et al. 2021,
https://arxiv.org/abs/2105.01051) on backbones whose own heads have none. This one file travels to the Hub beside the
weights and is all that `trust_remote_code=True` needs: it imports torch, transformers and transformers' own
huggingface_hub alone.
"""

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput

POOLINGS = ("mean", "statistics", "attention")
_FLOOR = 1e-6  # of a variance: the root has no slope at 0
_NOT_THE_BACKBONES = ("id2label", "label2id", "architectures", "dtype", "transformers_version", "_name_or_path")


@strict
class PooledAudioConfig(PreTrainedConfig):
    """Shape of a PooledAudioForAudioClassification."""

    model_type = "pooled_audio"

    backbone_config: dict | None = None  # of a model that AutoModel knows, as its to_dict() has it
    pooling: str = "mean"  # mean, statistics (mean and deviation) or attention (the same, weighted)
    layer_weights: bool = False  # learn how much each layer counts, instead of hearing the last alone
    classifier_proj_size: int = 256  # of the layer between the pooled features and the classifier
    attention_size: int = 128  # of the hidden layer that weighs the frames
    initializer_range: float = 0.02  # of the head's weights

    def validate_architecture(self):
        """Refuse a pooling that is none."""
        super().validate_architecture()
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling is {self.pooling!r}: choose one of {', '.join(POOLINGS)}.")

    @classmethod
    def over(cls, backbone: PreTrainedConfig, **settings) -> "PooledAudioConfig":
        """The config of a head over a backbone that has this config."""
        kept = {key: value for key, value in backbone.to_dict().items() if key not in _NOT_THE_BACKBONES}
        return cls(backbone_config=kept, **settings)

    def backbone(self) -> PreTrainedConfig:
        """The backbone's config."""
        settings = dict(self.backbone_config or {"model_type": "wav2vec2"})
        return AutoConfig.for_model(settings.pop("model_type"), **settings)


class AttentiveWeights(nn.Module):
    """How much each frame counts: a hidden layer with tanh and a score, softmax over the frames."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, frames: Tensor, heard: Tensor) -> Tensor:
        """Frames (batch, frames, features), of which `heard`, bool (batch, frames), count: (batch, frames)."""
        scores = self.score(torch.tanh(self.hidden(frames))).squeeze(-1).float()
        return scores.masked_fill(~heard, float("-inf")).softmax(-1)


def pooled(frames: Tensor, weights: Tensor, deviation: bool) -> Tensor:
    """Weighted mean, and with `deviation` the weighted standard deviation behind it, in float32.

    Frames (batch, frames, features) and weights (batch, frames), which sum to 1, to (batch, features or twice that).
    """
    frames, share = frames.float(), weights.float()[..., None]
    mean = (share * frames).sum(1)
    if not deviation:
        return mean
    variance = (share * (frames - mean[:, None]).square()).sum(1)
    return torch.cat([mean, (variance + _FLOOR).sqrt()], dim=-1)


class PooledAudioForAudioClassification(PreTrainedModel):
    """A backbone's frames pooled to one vector, projected and classified."""

    config_class = PooledAudioConfig
    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # the loss is a mean over the batch: Trainer must divide by the accumulation steps
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: PooledAudioConfig, backbone: PreTrainedModel | None = None):
        """A new backbone, or the one given, which must have the config's shape."""
        super().__init__(config)
        if backbone is None:
            wanted = config.backbone()
            known: type[PreTrainedModel] = MODEL_MAPPING[type(wanted)]  # type: ignore[assignment]
            attention = config._attn_implementation
            if attention == "sdpa" and not known._supports_sdpa:
                attention = "eager"  # as transformers chooses for such a model by itself
            backbone = AutoModel.from_config(wanted, attn_implementation=attention)
        if backbone.config.is_encoder_decoder:
            backbone = backbone.get_encoder()
        if getattr(backbone.config, "add_adapter", False):
            raise ValueError("A backbone with an adapter cannot be pooled: set add_adapter to false.")
        if config.layer_weights:
            _keep_every_layer(backbone.config, backbone)
        self.backbone = backbone
        self.config._attn_implementation = backbone.config._attn_implementation
        self.main_input_name = backbone.main_input_name
        features = backbone.config.hidden_size
        self.layer_weights = (
            nn.Parameter(torch.zeros(backbone.config.num_hidden_layers + 1)) if config.layer_weights else None
        )
        self.frame_weights = (
            AttentiveWeights(features, config.attention_size) if config.pooling == "attention" else None
        )
        width = features if config.pooling == "mean" else 2 * features
        self.projector = nn.Linear(width, config.classifier_proj_size)
        self.classifier = nn.Linear(config.classifier_proj_size, config.num_labels or 2)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        if module is self and self.layer_weights is not None:
            init.zeros_(self.layer_weights)
        elif isinstance(module, nn.Linear):
            init.normal_(module.weight, std=self.config.initializer_range)
            init.zeros_(module.bias)

    def freeze_base_model(self) -> None:
        """Train the head alone."""
        for parameter in self.backbone.parameters():
            parameter.requires_grad = False

    def _layers(self, sound: Tensor, mask: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """The layers that count, each (batch, frames, features), and which frames do, bool (batch, frames)."""
        told = {} if mask is None else {"attention_mask": mask}
        output = self.backbone(
            **{self.main_input_name: sound}, **told, output_hidden_states=self.layer_weights is not None
        )
        layers = [output.last_hidden_state] if self.layer_weights is None else list(output.hidden_states)
        batch, frames = layers[0].shape[:2]
        heard = torch.ones(batch, frames, dtype=torch.bool, device=layers[0].device)
        shrink = getattr(self.backbone, "_get_feature_vector_attention_mask", None)
        if mask is not None and shrink is not None:
            heard = shrink(frames, mask).bool()
        return layers, heard

    def _weighted(self, layers: list[Tensor]) -> Tensor:
        """Layers, each (batch, ...), to their sum by the learned weights, (batch, ...)."""
        if self.layer_weights is None:
            return layers[0]
        total = torch.zeros_like(layers[0])
        for weight, layer in zip(self.layer_weights.softmax(-1), layers, strict=True):
            total = total + weight * layer
        return total

    def embed(self, sound: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """What the head is put on, where it needs no frames: (batch, layers, features), float32; one layer without
        layer weights.

        Raises:
            ValueError: attention pooling, which hears every frame while it learns.
        """
        if self.frame_weights is not None:
            raise ValueError("Attention pooling learns from frames: there is no embedding before it.")
        layers, heard = self._layers(sound, attention_mask)
        even = heard / heard.sum(-1, keepdim=True)
        return torch.stack([pooled(layer, even, self.config.pooling == "statistics") for layer in layers], dim=1)

    def classify(self, embedding: Tensor) -> Tensor:
        """Logits of what `embed` gave: (batch, layers, features) -> (batch, labels)."""
        return self._logits(self._weighted(list(embedding.unbind(1))))

    def _logits(self, vector: Tensor) -> Tensor:
        """One vector an example, (batch, features), to logits (batch, labels)."""
        return self.classifier(self.projector(vector.to(self.projector.weight.dtype)))

    def forward(
        self,
        input_values: Tensor | None = None,
        input_features: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """What the feature extractor made, under its own name, to logits (batch, labels).

        With labels (batch,) there is a loss too: cross entropy, the mean over the batch.
        """
        sound = input_values if input_values is not None else input_features
        if sound is None:
            raise ValueError(f"Give {self.main_input_name}, as the feature extractor makes it.")
        if self.frame_weights is None:
            logits = self.classify(self.embed(sound, attention_mask))
        else:
            layers, heard = self._layers(sound, attention_mask)
            frames = self._weighted(layers)
            logits = self._logits(pooled(frames, self.frame_weights(frames, heard), deviation=True))
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        output = SequenceClassifierOutput(loss=loss, logits=logits)
        return output.to_tuple() if return_dict is False else output


def _keep_every_layer(config: PreTrainedConfig, backbone: nn.Module) -> None:
    """Switch LayerDrop off: a layer that is dropped leaves no output, and the weights would meet the wrong layers."""
    for name in ("layerdrop", "encoder_layerdrop"):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    for module in backbone.modules():
        if isinstance(getattr(module, "layerdrop", None), float):  # whisper's encoder keeps its own
            setattr(module, "layerdrop", 0.0)  # noqa: B010 (nn.Module's attributes are typed as modules)


# What makes save_pretrained put this file and its auto_map beside the weights.
PooledAudioConfig.register_for_auto_class()
PooledAudioForAudioClassification.register_for_auto_class("AutoModelForAudioClassification")
