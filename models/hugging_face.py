"""Translation and summary models of the package transformers, as black boxes over their own tokens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, TypeAlias

import numpy as np

from ..backends import get_backend
from ..backends.protocol import Array
from ..errors import DataError, InputError, MissingPackageError, ModelError
from .loading import on_device

_INSTALL = 'pip install "twinlens[torch,seq2seq]"'

Hidden: TypeAlias = Literal["remove", "mask", "unknown", "padding"]
_SYMBOLS: dict[str, str] = {"mask": "mask_token", "unknown": "unk_token", "padding": "pad_token"}


class TextToText:
    """A sequence-to-sequence model and its tokenizer; both are only run, never changed.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Of the kind that ``AutoModelForSeq2SeqLM`` loads.
    tokenizer : transformers.PreTrainedTokenizerBase
    prefix : str
        What every input begins with and is not explained, such as ``"translate English to German: "``.
    batch_size : int
        Inputs that run at once.
    **generation
        For ``model.generate``, such as ``num_beams=4`` or ``max_new_tokens=40``. Nothing is drawn at random.
    """

    def __init__(self, model: Any, tokenizer: Any, prefix: str = "", batch_size: int = 32, **generation: Any) -> None:
        self._model, self._tokenizer, self._batch_size = model, tokenizer, batch_size
        self._generation = {"do_sample": False, **generation}
        # What the tokenizer adds to every input, before and after the tokens of the text.
        marked = [(number, number in tokenizer.all_special_ids) for number in self._numbers("a")]
        first = next(place for place, (_, special) in enumerate(marked) if not special)
        last = max(place for place, (_, special) in enumerate(marked) if not special)
        self._head = [number for number, _ in marked[:first]] + (self._plain(prefix) if prefix else [])
        self._tail = [number for number, _ in marked[last + 1 :]]
        words = {tokenizer.unk_token_id, tokenizer.mask_token_id}
        self._frame = {*tokenizer.all_special_ids, model.config.decoder_start_token_id} - words
        self._said: dict[tuple[str, ...], list[int]] = {}

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, without those that the tokenizer adds to every text.

        Raises
        ------
        InputError
            If there are none.
        """
        found: list[str] = self._tokenizer.convert_ids_to_tokens(self._plain(text))
        if not found:
            raise InputError("The text is empty.", "Pass a text of at least one word.")
        return found

    def symbol(self, hidden: Hidden) -> str | None:
        """What takes the place of a hidden token; None where it is left out.

        Raises
        ------
        ModelError
            If the tokenizer has no such symbol.
        """
        if hidden == "remove":
            return None
        found: str | None = getattr(self._tokenizer, _SYMBOLS[hidden], None)
        if found is None:
            raise ModelError(f"The tokenizer has no token for '{hidden}'.", "Use remove, which every model can do.")
        return found

    def generate(self, tokens: Sequence[str]) -> list[str]:
        """What the model says: tokens of its output, without those that mark its beginning and end."""
        import torch

        with torch.no_grad(), _evaluating(self._model):
            batch = self._batch([tokens])
            numbers = self._model.generate(**batch, **self._generation)[0].tolist()
        kept = [place for place, number in enumerate(numbers) if place > 0 and number not in self._frame]
        said: list[str] = self._tokenizer.convert_ids_to_tokens([numbers[place] for place in kept])
        if kept:
            self._said[tuple(said)] = numbers[: kept[-1] + 1]
        return said

    def scores(self, inputs: Sequence[Sequence[str]], output: Sequence[str]) -> Array:
        """Log-odds ``log(p / (1 - p))`` of each token of an output, given the tokens before it: (M, T).

        Parameters
        ----------
        inputs : sequence of sequences of str
            Tokens of the input, some left out or replaced.
        output : sequence of str
            Something that `generate` returned.

        Raises
        ------
        InputError
            If it is not.
        """
        if tuple(output) not in self._said:
            raise InputError("The model has not said this output.", "Score what generate returned.")
        return np.concatenate(
            [
                self._log_odds(inputs[start : start + self._batch_size], self._said[tuple(output)])
                for start in range(0, len(inputs), self._batch_size)
            ]
        )

    def _log_odds(self, inputs: Sequence[Sequence[str]], numbers: list[int]) -> Array:
        import torch

        with torch.no_grad(), _evaluating(self._model):
            batch = self._batch(inputs)
            spoken = torch.tensor([numbers] * len(inputs), device=self._model.device)
            logits = self._model(**batch, decoder_input_ids=spoken[:, :-1], use_cache=False).logits.double()
        answers = spoken[:, 1:, None]
        said = logits.gather(2, answers)[..., 0]
        others = logits.scatter(2, answers, -torch.inf).logsumexp(2)
        kept = [place for place, number in enumerate(numbers[1:]) if number not in self._frame]
        found: Array = (said - others)[:, kept].cpu().numpy()
        return found

    def _batch(self, inputs: Sequence[Sequence[str]]) -> dict[str, Any]:
        import torch

        convert = self._tokenizer.convert_tokens_to_ids
        filler = self._tokenizer.pad_token_id or 0
        # A model cannot read nothing at all.
        rows = [[*self._head, *convert(list(tokens)), *self._tail] or [filler] for tokens in inputs]
        longest = max(map(len, rows))
        numbers = [row + [filler] * (longest - len(row)) for row in rows]
        there = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        device = self._model.device
        return {
            "input_ids": torch.tensor(numbers, device=device),
            "attention_mask": torch.tensor(there, device=device),
        }

    def _numbers(self, text: str) -> list[int]:
        return list(self._tokenizer(text)["input_ids"])

    def _plain(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


class _evaluating:  # noqa: N801
    """Evaluation mode for a while; every module is back in its own mode afterwards."""

    def __init__(self, model: Any) -> None:
        self._modes = [(module, module.training) for module in model.modules()]
        self._model = model

    def __enter__(self) -> None:
        self._model.eval()

    def __exit__(self, *error: object) -> None:
        for module, training in self._modes:
            module.training = training


def load_text_to_text(name: str | os.PathLike[str], device: str = "cpu", **options: Any) -> TextToText:
    """Load a translation or summary model of transformers.

    Parameters
    ----------
    name : str or path
        A folder that ``save_pretrained`` wrote (model and tokenizer), or a name on the Hugging Face hub, such as
        ``"Helsinki-NLP/opus-mt-en-ru"``, which transformers downloads.
    device : str
        ``"cpu"``, ``"cuda:0"``, or ``"auto"`` for the first graphics card, if there is one.
    **options
        `prefix`, `batch_size` and generation options of `TextToText`.

    Raises
    ------
    MissingPackageError
        If transformers or what the tokenizer needs is not installed.
    BackendError
        If torch is not installed.
    DataError
        If the model cannot be had, or is of another kind.
    """
    backend = get_backend("torch")
    try:
        _settle_torchvision()
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    except ImportError as error:
        raise MissingPackageError(
            f"Translation and summary models need the package transformers ({_first_line(error)}).",
            f"Install them with: {_INSTALL}",
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForSeq2SeqLM.from_pretrained(name)
    except ImportError as error:
        raise MissingPackageError(
            f"The tokenizer of '{name}' needs another package ({_first_line(error)}).", f"Install it with: {_INSTALL}"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(
            f"The model '{name}' cannot be loaded ({_first_line(error)}).",
            "Pass a folder that save_pretrained wrote, or the name of a sequence-to-sequence model on the hub.",
        ) from error
    return TextToText(backend.to(model, on_device(backend, device)), tokenizer, **options)


def _settle_torchvision() -> None:
    """Import torchvision as this machine needs it, before transformers does, which does not know how."""
    from ..backends.torch_backend import import_torchvision

    with suppress(MissingPackageError):
        import_torchvision()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__
