import pytest
import torch
from torch import nn

from ytaudio.training.averaging import WeightAverage


def stepped(model: nn.Module, value: float) -> nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    return model


@pytest.fixture
def model():
    return stepped(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 0.0)


def weight(model: nn.Module) -> float:
    return model[0].weight[0, 0].item()


def averaged(average: WeightAverage, model: nn.Module) -> float:
    with average.swapped(model):
        return weight(model)


def test_it_begins_with_the_first_step_and_then_follows_slowly(model):
    average, expected = WeightAverage(model, 0.9), 4.0
    average.update(stepped(model, 4.0))
    assert averaged(average, model) == 4.0
    for steps, value in enumerate((8.0, 2.0, 16.0), start=1):
        average.update(stepped(model, value))
        share = (1 + steps) / (10 + steps)  # below 0.9: the beginning is soon forgotten
        expected = share * expected + (1 - share) * value
        assert averaged(average, model) == pytest.approx(expected)
    assert weight(model) == 16.0, "the model has its own weights again"


def test_the_decay_is_the_most_it_keeps(model):
    average = WeightAverage(model, 0.0)
    for value in (4.0, 8.0):
        average.update(stepped(model, value))
    assert averaged(average, model) == 8.0


def test_an_error_inside_gives_the_weights_back(model):
    average = WeightAverage(model, 0.9)
    average.update(stepped(model, 4.0))
    stepped(model, 7.0)
    with pytest.raises(KeyError), average.swapped(model):
        raise KeyError
    assert weight(model) == 7.0


def test_it_goes_on_from_a_checkpoint(model, tmp_path):
    average = WeightAverage(model, 0.9)
    for value in (4.0, 8.0):
        average.update(stepped(model, value))
    average.save(tmp_path)
    other = WeightAverage(model, 0.9)
    other.load(tmp_path)
    for one in (average, other):
        one.update(stepped(model, 100.0))
    assert averaged(other, model) == averaged(average, model) < 100


def test_statistics_of_batch_norms_are_the_models_own(model):
    average = WeightAverage(model, 0.9)
    model[1].running_mean.fill_(5.0)
    average.update(model)
    model[1].running_mean.fill_(6.0)
    average.update(model)
    average.give(stepped(model, 3.0))
    assert float(model[1].running_mean[0]) == 6.0
