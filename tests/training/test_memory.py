import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.memory import (
    MemoryEstimate,
    MemoryShort,
    available,
    enough_memory,
    estimate,
    is_memory_error,
    kept_bytes,
    warning,
)

# Large enough that what Python and oneDNN do beside it, after one small step, does not count.
REAL = """
import threading
import torch
from transformers import TrainingArguments
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.memory import estimate

def resident():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))

def steps(width, layers, crops):
    config = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": 4}
    config |= {"intermediate_size": 4 * width}
    config |= {"conv_dim": [width // 4] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    model, _ = load_classifier("wav2vec2", ["a", "b"], config=config)
    optimiser = torch.optim.AdamW(model.train().parameters())
    for _ in range(2):
        model(**crops).loss.backward()
        optimiser.step()
    model.zero_grad()
    return model

def watch():
    while not over.is_set():
        peak[0] = max(peak[0], resident())
        over.wait(0.001)

torch.set_num_threads(1)
crops = {"input_values": torch.randn(8, 32000), "labels": torch.zeros(8, dtype=torch.int64)}
steps(32, 1, {name: tensor[:1] for name, tensor in crops.items()})
before, peak, over = resident(), [0], threading.Event()
watcher = threading.Thread(target=watch)
watcher.start()
model = steps(256, 4, crops)
over.set()
watcher.join()
print(estimate(model, crops, batch_size=8, args=TrainingArguments("unused", use_cpu=True)).total, peak[0] - before)
"""


def arguments(**changes) -> TrainingArguments:
    return TrainingArguments("unused", use_cpu=True, **changes)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
def test_the_estimate_is_what_a_real_step_takes_within_a_factor_of_one_and_a_half():
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, check=True)
    estimated, measured = map(int, done.stdout.split())
    assert 1 / 1.5 < estimated / measured < 1.5, (estimated, measured)


def test_what_is_kept_grows_with_the_batch_and_parameters_are_not_counted():
    model = torch.nn.Sequential(torch.nn.Linear(1000, 500), torch.nn.ReLU(), torch.nn.Linear(500, 2))

    class Classifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = model

        def forward(self, x):
            return type("Output", (), {"logits": self.inside(x)})

    kept = [
        kept_bytes(Classifier(), {"x": torch.randn(n, 1000), "labels": torch.zeros(n, dtype=torch.int64)})[0]
        for n in (10, 20)
    ]
    grown = 10 * (1000 + 500 + 2) * 4  # the input, what the rectifier leaves, log-probabilities
    assert abs(kept[1] - kept[0] - grown) <= 10 * 8 + 16  # and the labels
    assert kept[0] < 2 * grown < 1000 * 500 * 4


def test_frozen_parts_cost_neither_gradients_nor_state_and_state_is_the_optimisers():
    model, _ = load_classifier("spectrogram_cnn", ["a", "b"], config={"width": 4, "hidden_size": 8})
    crops = {"input_values": torch.randn(2, 16_000), "labels": torch.tensor([0, 1])}

    def of(**changes) -> MemoryEstimate:
        return estimate(model, crops, batch_size=4, args=arguments(**changes))

    whole = of()
    assert whole.optimiser == 2 * whole.gradients and of(optim="sgd").optimiser == 0
    assert estimate(model, crops, batch_size=4, args=arguments(), averaged=True).weights == 2 * whole.weights
    assert estimate(model, crops, batch_size=40, args=arguments()).activations > 8 * whole.activations
    for parameter in list(model.parameters())[:-2]:
        parameter.requires_grad = False
    part = of()
    assert part.gradients < whole.gradients / 10 and part.activations < whole.activations
    assert part.weights == whole.weights and part.seconds > 0


def test_an_estimate_leaves_model_and_random_numbers_as_they_were():
    model, _ = load_classifier("spectrogram_cnn", ["a", "b"], config={"width": 4, "hidden_size": 8})
    crops = {"input_values": torch.randn(2, 16_000), "labels": torch.tensor([0, 1])}
    model.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(0)
    np.random.seed(0)
    drawn = (torch.rand(1).item(), np.random.rand())
    torch.manual_seed(0)
    np.random.seed(0)
    estimate(model, crops, batch_size=2, args=arguments())
    assert (torch.rand(1).item(), np.random.rand()) == drawn
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.training and all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    "error, is_one",
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (KeyError("can't allocate memory"), False),
    ],
)
def test_errors_of_memory_are_told_from_others(error, is_one):
    assert is_memory_error(error) == is_one
    args = arguments(per_device_train_batch_size=6, gradient_accumulation_steps=2)
    with pytest.raises(MemoryShort if is_one else type(error)) as caught, enough_memory(args, 5.0):
        raise error
    if is_one:
        said = str(caught.value)
        assert "6 crops of 5 s" in said and "--crop_seconds 2.5" in said and "--bf16" in said
        assert "--per_device_train_batch_size 3 --gradient_accumulation_steps 4" in said


def test_a_real_allocation_that_fails_is_one():
    with pytest.raises(MemoryShort, match="too little memory"), enough_memory(arguments(), 5.0):
        torch.empty(1 << 55)


def test_what_is_already_low_is_not_told_to_be_lowered():
    args = arguments(per_device_train_batch_size=1, bf16=True, activation_checkpointing=True)
    with pytest.raises(MemoryShort) as caught, enough_memory(args, 1.0):
        raise MemoryError
    said = str(caught.value)
    assert "--freeze feature_encoder" in said
    assert not any(name in said for name in ("--per_device", "--crop_seconds", "--bf16", "--activation"))


def test_a_warning_when_the_machine_has_less():
    left = available(torch.device("cpu"))
    assert left is not None and left > 1e6
    args = arguments()
    fits, too_large = (MemoryEstimate(size, 0, 0, 0, 1.0) for size in (1000, 10 * left))
    assert warning(fits, args, 5.0) == ""
    assert "--per_device_train_batch_size 4 --gradient_accumulation_steps 2" in warning(too_large, args, 5.0)
