"""A recurrent encoder and decoder that reads a word letter by letter and says it sound by sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..backends.protocol import Backend, Tensor

PADDING, UNKNOWN, END = "<pad>", "<unk>", "</s>"
START = "<s>"
LETTERS = (PADDING, UNKNOWN, END, *"abcdefghijklmnopqrstuvwxyz")
"""What the encoder reads."""

_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
# The vocabulary of the trained network has, between UH2 and UW0, a UW without stress.
_STRESSED = [f"{vowel}{stress}" for vowel in _VOWELS.split() for stress in range(3)]
PHONEMES = (PADDING, UNKNOWN, START, END, *sorted([*_STRESSED, *_CONSONANTS.split(), "UW"]))
"""What the decoder says: the sounds of the CMU pronouncing dictionary; 1 marks the main stress, 2 a side stress."""

_WIDTH = 256
# Takes a sound out of the sum over all others.
_NEVER = -1e30


def grapheme_to_phoneme(nn: Any) -> Any:
    """Build the layers: one gated recurrent unit reads, another one speaks.

    A letter is a row with a single 1, so that the network takes real numbers and has gradients. A row of zeros is no
    letter at all: the encoder passes it by, as if the word were shorter.

    Parameters
    ----------
    nn : namespace
        The layers of a backend, `Backend.nn`.

    Returns
    -------
    torch.nn.Module or paddle.nn.Layer
        Takes (N, L, 29), rows of letters of which the last is `END`, and returns (N, 256), the state from which the
        decoder begins to speak.

    References
    ----------
    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    EMNLP 2014. The trained weights are those of Park and Kim's package g2p_en (2019).
    """
    return nn.Module(
        _read,
        letters=nn.Linear(len(LETTERS), _WIDTH, bias=False),
        encoder=nn.GRUCell(_WIDTH, _WIDTH),
        phonemes=nn.Linear(len(PHONEMES), _WIDTH, bias=False),
        decoder=nn.GRUCell(_WIDTH, _WIDTH),
        output=nn.Linear(_WIDTH, len(PHONEMES)),
    )


def _read(net: Any, x: Any) -> Any:
    embedded, there = net.letters(x), x.sum(-1).unsqueeze(-1)
    state = embedded[:, 0] * 0
    for place in range(embedded.shape[1]):
        present = there[:, place]
        state = present * net.encoder(embedded[:, place], state) + (1 - present) * state
    return state


@dataclass(frozen=True, eq=False)
class TeacherForcing:
    """The whole network as one function of the letters, given what it is to say.

    Called with the layers and letters (N, L, 29), it returns (N, T): the log-odds ``log(p / (1 - p))`` of each of T
    sounds, where the decoder has heard the sounds before it, whatever it would have said itself.

    Attributes
    ----------
    backend : Backend
    heard, said : native tensors (T, 74)
        Rows with a single 1: what the decoder is told, beginning with `START`, and what is asked of it.
    """

    backend: Backend
    heard: Tensor
    said: Tensor

    def __call__(self, net: Any, x: Any) -> Any:
        """Log-odds (N, T) of the sounds."""
        state, inputs, odds = _read(net, x), net.phonemes(self.heard), []
        for place in range(self.said.shape[0]):
            state = net.decoder(inputs[place : place + 1] + state * 0, state)
            logits, said = net.output(state), self.said[place]
            others = (logits + said * _NEVER).logsumexp(-1)
            odds.append(((logits * said).sum(-1) - others).unsqueeze(-1))
        return self.backend.concat(odds, axis=1)
