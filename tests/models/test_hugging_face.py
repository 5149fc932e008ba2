"""Sequence-to-sequence models of transformers as black boxes, on tiny ones with random weights."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.errors import DataError, DeviceError, InputError, MissingPackageError, ModelError
from twinlens.methods.perturbation.token_attributions import token_attributions
from twinlens.models.hugging_face import TextToText, load_text_to_text

from ..frameworks import need, torch

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
WORDS = ["<pad>", "</s>", "<unk>", "<s>", "<mask>", "the", "a", "red", "big", "cat", "dog", "sees", "runs", "say"]
TEXT = "the red cat sees a dog"
SIZES: dict[str, Any] = {
    "vocab_size": len(WORDS), "d_model": 16, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 3,
}  # fmt: skip
DEEP = {
    f"{part}_{what}": number
    for part in ("encoder", "decoder")
    for what, number in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))
}


def tokenizer() -> Any:
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    words = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>")
    fast = tokenizers.Tokenizer(words)
    fast.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    fast.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", bos_token="<s>"
    )


def network(kind: str) -> Any:
    from twinlens.backends.torch_backend import import_torchvision

    import_torchvision()  # as this machine needs it, before transformers does
    import transformers

    torch.manual_seed(0)
    if kind == "T5":
        sizes = SIZES | {"d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
        net = transformers.T5ForConditionalGeneration(transformers.T5Config(**sizes))
    elif kind == "Bart":
        sizes = SIZES | DEEP | {"decoder_start_token_id": 1, "max_position_embeddings": 64, "forced_eos_token_id": 1}
        net = transformers.BartForConditionalGeneration(transformers.BartConfig(**sizes))
    else:
        sizes = SIZES | DEEP | {"decoder_start_token_id": 0, "max_position_embeddings": 64, "forced_eos_token_id": 1}
        net = transformers.MarianMTModel(transformers.MarianConfig(**sizes))
    for parameter in net.parameters():
        parameter.data.mul_(4)  # away from the start, where every input gives nearly the same
    net.get_output_embeddings().weight.data[:5] = 0  # says words rather than nothing
    return net


@pytest.fixture(params=["T5", "Bart", "Marian"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    need("torch")
    state = torch.get_rng_state()
    network(request.param).save_pretrained(tmp_path)
    torch.set_rng_state(state)
    tokenizer().save_pretrained(tmp_path)
    return tmp_path


@needs_transformers
def test_the_scores_are_the_log_odds_of_the_models_own_probabilities(folder: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    model = load_text_to_text(folder, max_new_tokens=6)
    output = model.generate(model.tokens(TEXT))
    assert 0 < len(output) <= 6
    net = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    batch = tokenizer()(TEXT, return_tensors="pt")
    said = net.generate(input_ids=batch["input_ids"], do_sample=False, max_new_tokens=6)[0]
    with torch.no_grad():
        logits = net(input_ids=batch["input_ids"], decoder_input_ids=said[None, :-1]).logits[0].double()
    chosen = logits.softmax(1)[torch.arange(len(said) - 1), said[1:]].numpy()
    kept = [place for place, number in enumerate(said[1:].tolist()) if WORDS[number] in output]
    expected = np.log(chosen[kept] / (1 - chosen[kept]))
    np.testing.assert_allclose(model.scores([TEXT.split()], output)[0], expected, rtol=1e-4, atol=1e-4)


@needs_transformers
def test_scores_do_not_depend_on_what_else_is_in_the_batch(folder: Path) -> None:
    model = load_text_to_text(folder, max_new_tokens=4, batch_size=2)
    output = model.generate(TEXT.split())
    inputs = [TEXT.split(), ["cat"], [], TEXT.split()[2:], ["a", "<unk>"]]
    alone = np.concatenate([model.scores([tokens], output) for tokens in inputs])
    np.testing.assert_allclose(model.scores(inputs, output), alone, rtol=1e-4, atol=1e-4)


@needs_transformers
def test_a_text_is_explained_token_by_token(folder: Path) -> None:
    model = load_text_to_text(folder, max_new_tokens=4, prefix="say")
    found = token_attributions(model.tokens(TEXT), model.generate, model.scores)
    assert (found.tokens, found.method) == (tuple(TEXT.split()), "exact")
    assert found.values.shape == (6, len(found.output))
    assert np.abs(found.values).max() > 1e-3
    np.testing.assert_allclose(found.residual, 0, atol=1e-10)


@needs_transformers
def test_the_model_comes_back_as_it_was(folder: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    net = AutoModelForSeq2SeqLM.from_pretrained(folder).train()
    state = torch.get_rng_state()
    model = TextToText(net, tokenizer(), max_new_tokens=3)
    first = model.scores([["cat"]], model.generate(["cat"]))
    assert net.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    assert np.array_equal(first, model.scores([["cat"]], model.generate(["cat"])))


@needs_transformers
def test_what_cannot_be_said_or_hidden_is_refused(folder: Path) -> None:
    model = load_text_to_text(folder, max_new_tokens=3)
    assert (model.symbol("remove"), model.symbol("unknown"), model.symbol("padding")) == (None, "<unk>", "<pad>")
    with pytest.raises(ModelError, match="no token for 'mask'"):
        model.symbol("mask")
    with pytest.raises(InputError, match="empty"):
        model.tokens(" ")
    with pytest.raises(InputError, match="has not said"):
        model.scores([["cat"]], ["never"])
    with pytest.raises(DeviceError, match="cuda:77"):
        load_text_to_text(folder, device="cuda:77")


@needs_transformers
def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    need("torch")
    for place in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(DataError, match="cannot be loaded") as caught:
            load_text_to_text(place)
        assert "\n" not in str(caught.value)


def test_without_transformers_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    need("torch")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingPackageError, match=r'pip install "twinlens\[torch,seq2seq\]"'):
        load_text_to_text("anything")
