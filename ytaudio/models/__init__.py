"""Models of our own; importing this package registers them with transformers' Auto classes."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForAudioClassification, Wav2Vec2FeatureExtractor

from .pooled_audio import PooledAudioConfig, PooledAudioForAudioClassification
from .spectrogram_cnn import SpectrogramCNNConfig, SpectrogramCNNForAudioClassification

__all__ = [
    "PooledAudioConfig",
    "PooledAudioForAudioClassification",
    "SpectrogramCNNConfig",
    "SpectrogramCNNForAudioClassification",
]

AutoConfig.register(SpectrogramCNNConfig.model_type, SpectrogramCNNConfig, exist_ok=True)
AutoFeatureExtractor.register(SpectrogramCNNConfig, Wav2Vec2FeatureExtractor, exist_ok=True)
AutoModelForAudioClassification.register(SpectrogramCNNConfig, SpectrogramCNNForAudioClassification, exist_ok=True)
AutoConfig.register(PooledAudioConfig.model_type, PooledAudioConfig, exist_ok=True)
AutoModelForAudioClassification.register(PooledAudioConfig, PooledAudioForAudioClassification, exist_ok=True)
