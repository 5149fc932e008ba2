"""The trained network that says words: on either framework, as a black box and as a model for the methods."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..backends import Backend, Model, get_backend, wrap
from ..backends.protocol import Array, Net, Tensor
from ..errors import CheckpointError, InputError, MissingPackageError
from .grapheme_to_phoneme import END, LETTERS, PADDING, PHONEMES, START, UNKNOWN, TeacherForcing, grapheme_to_phoneme
from .loading import on_device

MOST_LETTERS = 20
"""Longer words are refused: the network was trained on the words of a dictionary, and says 20 sounds at most."""

MASKS = {"remove": None, "unknown": UNKNOWN, "padding": PADDING}
"""What may stand in the place of a hidden letter: nothing at all, or one of the network's own symbols."""

_MOST_SOUNDS = 20
_INSTALL = "pip install --no-deps g2p-en==2.1.0"
# Names of the layers beside those in the package's file, and which of them are embeddings: transposed linear layers.
_ENTRIES = {
    **{f"encoder.{kind}_{way}": f"enc_{kind[0]}_{way}" for kind in ("weight", "bias") for way in ("ih", "hh")},
    **{f"decoder.{kind}_{way}": f"dec_{kind[0]}_{way}" for kind in ("weight", "bias") for way in ("ih", "hh")},
    **{"output.weight": "fc_w", "output.bias": "fc_b"},
}
_EMBEDDINGS = {"letters.weight": "enc_emb", "phonemes.weight": "dec_emb"}


class Speaker:
    """Says words with the layers of `grapheme_to_phoneme`.

    Parameters
    ----------
    backend : Backend
    net : torch.nn.Module or paddle.nn.Layer
        From `grapheme_to_phoneme`.

    Attributes
    ----------
    backend, net
    model : Model
        Letters in, the decoder's first state out.
    """

    def __init__(self, backend: Backend, net: Net) -> None:
        self.backend, self.net = backend, net
        self.model = wrap(net, input_shape=(MOST_LETTERS + 1, len(LETTERS)))

    def generate(self, letters: Sequence[str]) -> list[str]:
        """What the network says, one sound after the other, always the likeliest.

        Parameters
        ----------
        letters : sequence of str
            Of a checked word, see `word_letters`.

        Returns
        -------
        list of str
            At most 20 sounds.
        """
        net, said = self.net, [START]
        with self.backend.frozen(net), self.backend.no_grad():
            state = net(self.model.tensor(one_hot([letters])))
            for _ in range(_MOST_SOUNDS):
                state = net.decoder(net.phonemes(self._sounds(said[-1:])), state)
                sound = PHONEMES[int(self.backend.numpy(net.output(state)).argmax())]
                if sound == END:
                    break
                said.append(sound)
        return said[1:]

    def scores(self, inputs: Sequence[Sequence[str]], output: Sequence[str]) -> Array:
        """How much the network would say given sounds, had it read other letters.

        Parameters
        ----------
        inputs : sequence of sequences of str
            M times the letters of a word, some of them left out or replaced by `UNKNOWN` or `PADDING`.
        output : sequence of str
            T sounds. Each is scored as if the network had said the ones before it (teacher forcing).

        Returns
        -------
        ndarray (M, T)
            Log-odds ``log(p / (1 - p))``.
        """
        return self.saying(output).forward(one_hot(inputs))

    def saying(self, output: Sequence[str]) -> Model:
        """The network as a model for every method: rows of letters in, one score a sound out.

        Parameters
        ----------
        output : sequence of str
            T sounds.

        Returns
        -------
        Model
            Takes (N, L, 29), see `one_hot`, and returns the log-odds (N, T) of the sounds: target 3 is the fourth
            sound. All zeros, the methods' usual baseline, is an empty word. It shares its layers with this object.
        """
        unknown = next((sound for sound in output if sound not in PHONEMES), None)
        if unknown is not None or len(output) == 0:
            raise InputError(
                f"'{unknown}' is not a sound that the network knows." if output else "There is no sound to score.",
                "Use sounds of the CMU dictionary, such as AE1 or SH.",
            )
        layers = {name: getattr(self.net, name) for name in ("letters", "encoder", "phonemes", "decoder", "output")}
        forced = TeacherForcing(self.backend, self._sounds([START, *output[:-1]]), self._sounds(output))
        net = self.backend.nn.Module(forced, **layers)
        model = wrap(net, labels=list(output), input_shape=(MOST_LETTERS + 1, len(LETTERS)))
        model.name = "grapheme_to_phoneme"
        return model

    def _sounds(self, sounds: Sequence[str]) -> Tensor:
        return self.model.tensor(np.eye(len(PHONEMES))[[PHONEMES.index(sound) for sound in sounds]])


def load_speaker(backend: str = "torch", dtype: str = "float32", device: str = "cpu") -> Speaker:
    """Load the network with the weights that the package g2p_en ships (834,890 numbers).

    Parameters
    ----------
    backend : {"torch", "paddle"}
    dtype : {"float32", "float64"}
    device : str
        ``"cpu"``, ``"cuda:0"``, or ``"auto"`` for the first graphics card, if there is one.

    Raises
    ------
    MissingPackageError
        If g2p_en is not installed; it is only read, never imported.
    CheckpointError
        If its file is damaged.
    """
    state = _published(speaker_weights())
    framework = get_backend(backend)
    # The layers draw their first weights, which are not used.
    with framework.seeded(0):
        net = grapheme_to_phoneme(framework.nn)
    framework.load(net, state)
    if dtype != "float32":
        net = framework.converted(net, dtype)
    framework.to(net, on_device(framework, device))
    return Speaker(framework, net)


def speaker_weights() -> Path:
    """Find the file of weights in the installed package.

    Raises
    ------
    MissingPackageError
        If it is not there.
    """
    spec = importlib.util.find_spec("g2p_en")
    folders = [] if spec is None else spec.submodule_search_locations or []
    for path in (Path(folder) / "checkpoint20.npz" for folder in folders):
        if path.is_file():
            return path
    raise MissingPackageError(
        "Package 'g2p_en' ships the weights of the network that says words, and is not installed.",
        f"Install it with: {_INSTALL}",
    )


def word_letters(word: str) -> list[str]:
    """The letters of a word, in lower case.

    Raises
    ------
    InputError
        If it is empty, too long, or holds what the network cannot read.
    """
    letters = list(word.strip().lower())
    if not letters:
        raise InputError("The word is empty.", "Write a word of the letters a to z.")
    strange = next((letter for letter in letters if letter not in LETTERS), None)
    if strange is not None:
        raise InputError(
            f"The word '{word}' holds '{strange}', which the network cannot read.",
            "Write one word of the letters a to z.",
        )
    if len(letters) > MOST_LETTERS:
        raise InputError(f"The word '{word}' has {len(letters)} letters.", f"Use at most {MOST_LETTERS}.")
    return letters


def one_hot(inputs: Sequence[Sequence[str]]) -> Array:
    """Rows of letters, each with a single 1, and the end of the word: (M, L + 1, 29).

    Shorter words end in rows of zeros, which the network passes by.
    """
    rows = np.zeros((len(inputs), max(map(len, inputs), default=0) + 1, len(LETTERS)), np.float32)
    for number, letters in enumerate(inputs):
        places = [LETTERS.index(letter) for letter in (*letters, END)]
        rows[number, np.arange(len(places)), places] = 1
    return rows


def _published(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            state = {name: file[entry] for name, entry in _ENTRIES.items()}
            return state | {name: np.ascontiguousarray(file[entry].T) for name, entry in _EMBEDDINGS.items()}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"'{path}' is damaged or of another version.", f"Install it anew: {_INSTALL}") from error
