import os
import stat
import subprocess
import sys
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from twinlens.errors import DataError
from twinlens.figures import agreement, bars, feature_map_grid, picture_grid, save
from twinlens.figures.canvas import new_figure, style


def test_drawing_leaves_pyplot_and_its_settings_alone(tmp_path) -> None:
    before, figures, backend = dict(matplotlib.rcParams), plt.get_fignums(), matplotlib.get_backend()
    save(picture_grid([("a", [np.eye(4)])]), tmp_path / "a.png")
    save(bars(["a"], [1.0]), tmp_path / "b.png")
    save(agreement(np.ones(3), np.ones(3)), tmp_path / "c.png")
    feature_map_grid(np.zeros((1, 2, 3, 3)))
    assert plt.get_fignums() == figures
    assert matplotlib.get_backend() == backend
    assert dict(matplotlib.rcParams) == before


def test_no_backend_is_chosen_and_pyplot_is_not_imported(tmp_path) -> None:
    code = f"""
import sys, numpy as np
import twinlens.figures as figures
assert "matplotlib" not in sys.modules and "jinja2" not in sys.modules
figures.heat(np.ones((1, 3, 4, 4)))
assert "matplotlib" not in sys.modules
figures.save(figures.picture_grid([("a", [np.eye(4)])]), {str(tmp_path / "a.png")!r})
figures.save(figures.training_curves({{"torch": {{"training_loss": [1.0]}}}}), {str(tmp_path / "b.png")!r})
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
assert matplotlib.rcParams._get("backend") is matplotlib.rcsetup._auto_backend_sentinel
"""
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there() -> None:
    import twinlens.figures as figures

    for name in figures.__all__:
        assert callable(getattr(figures, name)), name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = figures.nonsense


def test_the_users_own_style_does_not_reach_our_figures(tmp_path) -> None:
    plain = save(bars(["a"], [1.0], "title"), tmp_path / "plain.png").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "image.origin": "lower"}):
        assert save(bars(["a"], [1.0], "title"), tmp_path / "styled.png").read_bytes() == plain


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml"), ("jpg", b"\xff\xd8")]
)
def test_figures_are_saved_by_the_ending_of_their_name(tmp_path, suffix, start) -> None:
    path = save(bars(["a"], [1.0]), tmp_path / "new" / "folder" / f"figure.{suffix}")
    assert path.read_bytes().startswith(start)
    assert [file.name for file in path.parent.iterdir()] == [f"figure.{suffix}"]


def test_saved_files_can_be_read_by_others_as_usual(tmp_path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    path = save(bars(["a"], [1.0]), tmp_path / "a.png")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


@pytest.mark.parametrize("name", ["figure", "figure.docx"])
def test_an_unknown_ending_is_named(tmp_path, name) -> None:
    with pytest.raises(DataError, match=name):
        save(bars(["a"], [1.0]), tmp_path / name)


def test_a_folder_that_cannot_be_made_is_named(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        save(bars(["a"], [1.0]), tmp_path / "file" / "a.png")


def test_the_same_figure_gives_the_same_bytes(tmp_path) -> None:
    first = save(bars(["a", "b"], [1.0, -1.0]), tmp_path / "a.png").read_bytes()
    assert save(bars(["a", "b"], [1.0, -1.0]), tmp_path / "b.png").read_bytes() == first


def test_letters_without_a_glyph_do_not_warn(tmp_path) -> None:
    with style():
        figure = new_figure(2, 2)
        figure.text(0.5, 0.5, "\U0001f35c \u9762 \ue000")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, tmp_path / "a.png")


def test_notebooks_show_a_figure() -> None:
    assert bars(["a"], [1.0])._repr_png_().startswith(b"\x89PNG")
