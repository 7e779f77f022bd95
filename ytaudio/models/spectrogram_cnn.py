"""A small CNN over log-mel spectrograms: waveform in, label scores out.

The architecture is CNN10 of PANNs (Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern
Recognition", 2020, https://arxiv.org/abs/1912.10211), about 32 channels wide instead of 64. The log-mel front end is
inside the model, so it takes what wav2vec2 takes. This one file travels to the Hub beside the weights and is all that
`trust_remote_code=True` needs: it imports torch, transformers and transformers' own huggingface_hub alone.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput

MINIMUM_S = 0.5  # shorter inputs are repeated up to this
# An epoch of a small dataset is a dozen steps: with torch's 0.1 the running statistics would lag behind the weights
# and the first epochs would be judged by statistics that no longer hold.
_MOMENTUM = 0.3
_AMIN = 1e-10  # power below this counts as this, as librosa.power_to_db has it: -100 dB
_MIXSTYLE_ALPHA = 0.3  # of the Beta distribution of shares, as in Freq-MixStyle: mostly near 0 or 1


@strict
class SpectrogramCNNConfig(PreTrainedConfig):
    """Shape of a SpectrogramCNNForAudioClassification."""

    model_type = "spectrogram_cnn"

    sampling_rate: int = 16_000  # Hz
    n_fft: int = 1024  # samples of a frame: 64 ms
    hop_length: int = 320  # samples from frame to frame: 20 ms
    num_mel_bins: int = 64
    fmin: float | int = 50.0  # Hz
    fmax: float | int = 8000.0  # Hz
    width: int = 32  # channels of the first block; each further block doubles them
    depth: int = 4  # blocks of two convolutions; each halves time and frequency
    hidden_size: int = 256  # of the layer between the pooled features and the classifier
    dropout: float | int = 0.2
    apply_spec_augment: bool = True  # in training, blank stripes of time and of frequency (SpecAugment)
    mask_time_length: int = 32  # frames at the most in one of the two time stripes
    mask_feature_length: int = 8  # mel bins at the most in one of the two frequency stripes
    # What makes recordings of other devices and codecs alike; 0 and False leave the log-mel energies as they are.
    top_db: float | int = 0.0  # what lies further below the input's loudest counts as this far below it
    normalize_level: bool = False  # take the mean off each input, so that its level tells nothing
    mixstyle: float | int = 0.0  # in training, share of the inputs that take on another one's spectrum in part

    def validate_architecture(self):
        """Refuse what cannot be built: more halvings than mel bins, or mel bands outside the spectrum."""
        super().validate_architecture()
        if self.width < 1 or self.depth < 1 or 2**self.depth > self.num_mel_bins:
            raise ValueError(f"depth {self.depth} needs at least {2**self.depth} mel bins, and width at least 1.")
        if not 0 <= self.fmin < self.fmax <= self.sampling_rate / 2:
            raise ValueError(f"fmin and fmax must lie in order between 0 and {self.sampling_rate / 2} Hz.")
        if self.top_db < 0 or not 0 <= self.mixstyle <= 1:
            raise ValueError("top_db is 0 or more, and mixstyle a share from 0 to 1.")


def _hz_to_mel(hz: float) -> float:
    """Slaney's mel scale (Auditory Toolbox): linear below 1000 Hz, logarithmic above."""
    return hz * 3 / 200 if hz < 1000 else 15 + math.log(hz / 1000) * 27 / math.log(6.4)


def _mel_to_hz(mel: Tensor) -> Tensor:
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))


def mel_filters(config: SpectrogramCNNConfig) -> Tensor:
    """Triangular filters of unit area, as librosa.filters.mel computes them: (n_fft // 2 + 1, mels) float32."""
    # on the CPU whatever the context: from_pretrained builds models on the meta device, where numbers are not kept
    with torch.device("cpu"):
        bins = torch.linspace(0, config.sampling_rate / 2, config.n_fft // 2 + 1, dtype=torch.float64)
        lowest, highest = _hz_to_mel(config.fmin), _hz_to_mel(config.fmax)
        edges = _mel_to_hz(torch.linspace(lowest, highest, config.num_mel_bins + 2, dtype=torch.float64))
    gaps, slopes = edges.diff(), edges[:, None] - bins[None, :]
    rising, falling = -slopes[:-2] / gaps[:-1, None], slopes[2:] / gaps[1:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    area = 2 / (edges[2:] - edges[:-2])
    return (triangles * area[:, None]).T.to(torch.float32).contiguous()


class LogMel(nn.Module):
    """Waveform to log-mel energies, in float32 whatever the model's precision."""

    window: Tensor  # (n_fft,)
    filters: Tensor  # (n_fft // 2 + 1, mels)

    def __init__(self, config: SpectrogramCNNConfig):
        super().__init__()
        self.config = config
        self.register_buffer("window", torch.empty(config.n_fft, dtype=torch.float32))
        self.register_buffer("filters", torch.empty(config.n_fft // 2 + 1, config.num_mel_bins, dtype=torch.float32))
        if self.window.device.type != "meta":
            self.fill()

    def fill(self) -> None:
        """Compute window and filters; unlike weights they follow from the config."""
        window = torch.hann_window(self.config.n_fft, dtype=torch.float64, device="cpu")
        init.copy_(self.window, window.to(torch.float32))
        init.copy_(self.filters, mel_filters(self.config))

    def _apply(self, fn, recurse=True):
        """Follow the model to its device but not to its precision: STFT knows no bfloat16 on a CPU."""
        window, filters = self.window, self.filters
        super()._apply(fn, recurse)
        if self.window.dtype != torch.float32:
            self.window, self.filters = window.to(self.window.device), filters.to(self.filters.device)
        return self

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, samples) -> (batch, frames, mels) in dB, frames = 1 + samples // hop_length."""
        with torch.autocast(waveform.device.type, enabled=False):
            # zeros at both ends, as librosa pads; torch's own default is reflection
            spectrum = torch.stft(
                waveform.float(),
                self.config.n_fft,
                self.config.hop_length,
                window=self.window,
                center=True,
                pad_mode="constant",
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            return 10 * torch.log10((power.transpose(1, 2) @ self.filters).clamp(min=_AMIN))


class ConvBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and ReLU, then 2x2 average pooling."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out, momentum=_MOMENTUM)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out, momentum=_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, frames, mels) -> (batch, channels_out, frames // 2, mels // 2)."""
        x = self.conv1(x).contiguous(memory_format=torch.channels_last)  # a quarter faster on a CPU
        x = F.relu(self.norm1(x))
        x = F.relu(self.norm2(self.conv2(x)))
        return F.avg_pool2d(x, 2)


class SpectrogramCNNForAudioClassification(PreTrainedModel):
    """CNN10 over the log-mel spectrogram computed inside, with a classifier on top."""

    config_class = SpectrogramCNNConfig
    main_input_name = "input_values"
    # The loss is a mean over the batch and ignores num_items_in_batch: Trainer itself must divide by the
    # accumulation steps, or loss and gradients would be multiplied by them.
    accepts_loss_kwargs = False
    backbone_parts = ("input_norm", "blocks")  # what a head may be put on: what `embed` computes with
    _keep_in_fp32_modules_strict = {"log_mel_layer"}  # noqa: RUF012 (PreTrainedModel declares it so)

    def __init__(self, config: SpectrogramCNNConfig):
        super().__init__(config)
        channels = [1, *(config.width * 2**k for k in range(config.depth))]
        self.log_mel_layer = LogMel(config)
        self.input_norm = nn.BatchNorm1d(config.num_mel_bins, momentum=_MOMENTUM)
        self.blocks = nn.ModuleList(ConvBlock(a, b) for a, b in pairwise(channels))
        self.projector = nn.Linear(channels[-1], config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels or 2)
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, LogMel):
            module.fill()
        elif isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)
        else:
            super()._init_weights(module)

    def freeze_base_model(self) -> None:
        """Train the classifier and the layer before it alone."""
        for part in map(self.get_submodule, self.backbone_parts):
            for parameter in part.parameters():
                parameter.requires_grad = False

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Log-mel energies, as librosa.feature.melspectrogram and power_to_db(top_db=None) give them.

        (batch, samples) -> (batch, frames, mels) in dB relative to 1, float32, frames = 1 + samples // hop_length.
        """
        return self.log_mel_layer(waveform)

    def _long_enough(self, waveform: Tensor) -> Tensor:
        """Repeat a short waveform until every pooling has a frame to pool: (batch, samples) -> (batch, more)."""
        samples = waveform.shape[-1]
        least = max(int(MINIMUM_S * self.config.sampling_rate), self.config.hop_length * 2**self.config.depth)
        if samples >= least:
            return waveform
        if samples == 0:
            raise ValueError("The waveform has no samples.")
        return waveform.repeat(1, -(-least // samples))[:, :least]

    def _spec_augment(self, x: Tensor) -> Tensor:
        """Blank two stripes of time and two of frequency in each example (Park et al. 2019), as PANNs does."""
        for axis, longest in ((1, self.config.mask_time_length), (2, self.config.mask_feature_length)):
            size = x.shape[axis]
            longest = min(longest, size // 4)  # of a short crop never more than half in all
            for _ in range(2):
                length = torch.randint(0, longest + 1, (len(x), 1), device=x.device)
                start = (torch.rand(len(x), 1, device=x.device) * (size - length)).long()
                position = torch.arange(size, device=x.device)[None, :]
                blank = (position >= start) & (position < start + length)
                x = x.masked_fill(blank[:, :, None] if axis == 1 else blank[:, None, :], 0)
        return x

    def _levelled(self, x: Tensor) -> Tensor:
        """Log-mel energies without what a recorder's level and noise floor add: (batch, frames, mels)."""
        if self.config.top_db:  # as librosa.power_to_db's top_db
            x = torch.maximum(x, x.amax(dim=(1, 2), keepdim=True) - self.config.top_db)
        return x - x.mean(dim=(1, 2), keepdim=True) if self.config.normalize_level else x

    def _mixstyle(self, x: Tensor) -> Tensor:
        """Mix each mel bin's mean and deviation over time with another example's: (batch, frames, mels).

        Freq-MixStyle (Schmid et al., "CP-JKU submission to DCASE22: Distilling Knowledge for Low-Complexity
        Convolutional Neural Networks From a Patchout Audio Transformer", 2022), after MixStyle (Zhou et al., 2021).
        """
        mean, deviation = x.mean(dim=1, keepdim=True), x.std(dim=1, keepdim=True) + 1e-3
        other = torch.randperm(len(x), device=x.device)
        share = torch.distributions.Beta(_MIXSTYLE_ALPHA, _MIXSTYLE_ALPHA).sample((len(x), 1, 1)).to(x)
        taken = torch.rand(len(x), 1, 1, device=x.device) < self.config.mixstyle
        share = torch.where(taken, share, 1.0)
        scale = share * deviation + (1 - share) * deviation[other]
        return (x - mean) / deviation * scale + share * mean + (1 - share) * mean[other]

    def embed(self, input_values: Tensor) -> Tensor:
        """What the blocks hear, over the whole input: (batch, samples) -> (batch, width * 2 ** (depth - 1))."""
        x = self._levelled(self.log_mel(self._long_enough(input_values))).to(self.input_norm.weight.dtype)
        x = self.input_norm(x.transpose(1, 2)).transpose(1, 2)
        if self.training and self.config.mixstyle:
            x = self._mixstyle(x)
        if self.training and self.config.apply_spec_augment:
            x = self._spec_augment(x)
        x = x[:, None]
        for block in self.blocks:
            x = self.dropout(block(x))
        x = x.mean(dim=3)  # over frequency: (batch, channels, frames)
        return x.amax(dim=2) + x.mean(dim=2)

    def classify(self, embedding: Tensor) -> Tensor:
        """Logits of what `embed` gave: (batch, features) -> (batch, labels)."""
        hidden = F.relu(self.projector(self.dropout(embedding)))
        return self.classifier(self.dropout(hidden))

    def forward(
        self, input_values: Tensor, labels: Tensor | None = None, return_dict: bool | None = None
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Waveforms (batch, samples) at the config's rate to logits (batch, labels).

        With labels (batch,) there is a loss too: cross entropy, the mean over the batch.
        """
        logits = self.classify(self.embed(input_values))
        loss = None if labels is None else F.cross_entropy(logits.float(), labels)
        output = SequenceClassifierOutput(loss=loss, logits=logits)
        return output.to_tuple() if return_dict is False else output


# What makes save_pretrained put this file and its auto_map beside the weights.
SpectrogramCNNConfig.register_for_auto_class()
SpectrogramCNNForAudioClassification.register_for_auto_class("AutoModelForAudioClassification")
