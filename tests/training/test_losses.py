import pytest
import torch
import torch.nn.functional as F

from ytaudio.training.losses import ClipLoss, balanced_weights, mix_pairs

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.3, -2.0], [1.0, 1.0, 1.0], [-3.0, 2.0, 0.1]])
LABELS = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mean_is_torchs_cross_entropy(smoothing):
    ours = ClipLoss(label_smoothing=smoothing)(LOGITS, LABELS)
    assert ours.shape == (4,)
    torch.testing.assert_close(ours.mean(), F.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing))


def test_shares_of_labels_are_as_torch_has_them():
    shares = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(ClipLoss()(LOGITS, shares).mean(), F.cross_entropy(LOGITS, shares))
    hard = F.one_hot(LABELS, 3).float()
    torch.testing.assert_close(ClipLoss()(LOGITS, hard), ClipLoss()(LOGITS, LABELS))


def test_balanced_weights_let_every_class_count_alike_and_the_mean_clip_as_one():
    labels = [0] * 6 + [1] * 3 + [3]
    weights = balanced_weights(labels, 4)
    assert weights[2] == 0, "a class without clips"
    sums = [float(weights[label]) * labels.count(label) for label in (0, 1, 3)]
    assert sums == pytest.approx([10 / 3] * 3)
    losses = ClipLoss(weights)(torch.zeros(10, 4), torch.tensor(labels))
    torch.testing.assert_close(losses.mean(), torch.tensor(4.0).log())


def test_weights_do_not_depend_on_the_rest_of_the_batch():
    loss = ClipLoss(torch.tensor([0.2, 1.0, 4.0]), 0.1)
    whole = loss(LOGITS, LABELS)
    torch.testing.assert_close(torch.cat([loss(LOGITS[:1], LABELS[:1]), loss(LOGITS[1:], LABELS[1:])]), whole)
    torch.testing.assert_close(whole[0] / loss.class_weights[0], ClipLoss(None, 0.1)(LOGITS, LABELS)[0])


def test_half_precision_logits_are_summed_in_full():
    ours = ClipLoss()(LOGITS.bfloat16(), LABELS)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, ClipLoss()(LOGITS, LABELS), rtol=2e-2, atol=1e-2)


def test_pairs_are_mixed_by_one_share_for_sound_and_label():
    torch.manual_seed(3)
    inputs = torch.eye(5)
    mixed, shares = mix_pairs(inputs, torch.arange(5), 5, 0.4)
    torch.testing.assert_close(mixed, shares)  # crop n is the n-th unit vector, as its label is
    torch.testing.assert_close(shares.sum(1), torch.ones(5))
    assert ((shares > 0).sum(1) == 2).any() and not torch.equal(mixed, inputs)
    torch.manual_seed(3)
    assert torch.equal(mix_pairs(inputs, torch.arange(5), 5, 0.4)[0], mixed)
    spectrograms, _ = mix_pairs(torch.rand(5, 7, 3), torch.arange(5), 5, 1.0)
    assert spectrograms.shape == (5, 7, 3)
