import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ytaudio.training.dropout import CheapDropout, kept, pays


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_as_many_are_dropped_as_asked_for_and_the_rest_grow(p, dtype):
    torch.manual_seed(0)
    mask = kept(torch.empty(1001, 997, dtype=dtype), p)
    assert mask.dtype == dtype and mask.shape == (1001, 997)
    assert sorted(mask.unique().tolist()) == pytest.approx([0, 1 / (1 - p)], rel=1e-2)
    assert (mask == 0).float().mean().item() == pytest.approx(p, abs=4 * (p * (1 - p) / 998_000) ** 0.5)
    neighbours = ((mask[:, 1:] == 0) & (mask[:, :-1] == 0)).float().mean().item()
    assert neighbours == pytest.approx(p * p, abs=2e-3), "elements that share a draw are independent"


def test_inside_the_block_layers_draw_other_masks_that_follow_from_the_seed():
    layer, x = nn.Dropout(0.5), torch.ones(64, 64)

    def drawn(cheap):
        torch.manual_seed(7)
        if cheap:
            with CheapDropout():
                return layer(x)
        return layer(x)

    assert torch.equal(drawn(True), drawn(True))
    assert not torch.equal(drawn(True), drawn(False))
    with CheapDropout():
        assert torch.equal(layer.eval()(x), x)
        assert torch.equal(F.dropout(x, 0.0), x) and not F.dropout(x, 1.0).any()


def test_gradients_pass_where_values_do():
    x = torch.ones(50, 50, requires_grad=True)
    with CheapDropout():
        out = F.dropout(x, 0.3)
    out.sum().backward()
    assert torch.equal(x.grad, out)
    changed = torch.ones(50, 50)
    with CheapDropout():
        assert F.dropout(changed, 0.3, inplace=True) is changed and (changed == 0).any()


@pytest.mark.parametrize("mask", [None, "bool", "float"])
def test_attention_is_torchs_but_for_what_is_dropped(mask):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 9, 8)
    masks = {None: None, "bool": torch.rand(9, 9) < 0.8, "float": torch.randn(9, 9)}
    if mask == "bool":
        masks["bool"].fill_diagonal_(True)
    expected = F.scaled_dot_product_attention(query, key, value, masks[mask])
    with CheapDropout():
        still = F.scaled_dot_product_attention(query, key, value, masks[mask], 0.0)
        torch.testing.assert_close(still, expected)
        many = [F.scaled_dot_product_attention(query, key, value, masks[mask], 0.2) for _ in range(3000)]
    assert not torch.equal(many[0], many[1])
    torch.testing.assert_close(torch.stack(many).mean(0), expected, atol=0.06, rtol=0.0)


@pytest.mark.parametrize("vendor, slow", [("AuthenticAMD", True), ("GenuineIntel", False)])
def test_intels_processors_are_left_to_mkl(vendor, slow, tmp_path):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n")
    assert pays(tmp_path / "cpuinfo") == (slow or not torch.backends.mkl.is_available())
    assert pays(tmp_path / "nowhere")
