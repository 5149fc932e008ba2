"""The document's LeNet with kernels that fit, and exact errors for those that do not."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.errors import ModelError, NoGradientError
from twinlens.models import load_model
from twinlens.models.lenet import PRINTED_KERNELS, kernels_for, map_sizes


def test_a_quarter_of_the_printed_kernels_brings_512_pixels_to_one_position() -> None:
    kernels = kernels_for(512)
    assert kernels == tuple(kernel // 4 for kernel in PRINTED_KERNELS)
    assert map_sizes(512, kernels) == [481, 239, 208, 103, 88, 43, 36, 17, 14, 6, 5, 1]


@pytest.mark.parametrize(("size", "divisor"), [(831, 2), (512, 4), (303, 8), (256, 16), (224, 32), (190, 128)])
def test_the_divisor_follows_from_the_picture_size(size: int, divisor: int) -> None:
    assert kernels_for(size) == tuple(max(1, kernel // divisor) for kernel in PRINTED_KERNELS)
    assert map_sizes(size, kernels_for(size))[-1] == 1


def test_the_sizes_are_those_of_the_network(backend: Backend) -> None:
    model = load_model("lenet", backend=backend.name, size=200)
    widths = {row.name: row.output_shape for row in model.layers()}
    names = [f"{layer}{number}" for number in range(1, 7) for layer in ("conv", "max_pool")]
    assert [widths[name][-1] for name in names] == map_sizes(200, kernels_for(200))  # type: ignore[index]
    assert [widths[f"conv{number}"][0] for number in range(1, 7)] == [32, 64, 128, 256, 512, 1024]  # type: ignore[index]
    assert widths["fc1"] == (64,)
    assert model.forward(np.zeros((2, 3, 200, 200))).shape == (2, 11)


def test_sigmoids_stand_where_the_document_has_them(backend: Backend) -> None:
    model = load_model("lenet", backend=backend.name, size=200)
    names = [row.name for row in model.layers(input_shape=None) if row.name]
    after = {names[index - 1] for index, row in enumerate(names) if "sigmoid" in row}
    assert after == {"conv1", "max_pool1", "fc1"}


def test_the_printed_kernels_fail_at_the_third_convolution(backend: Backend) -> None:
    with pytest.raises(ModelError, match=r"conv3 has kernel 64 and meets a 31x31 map\. Use divisor=4 "):
        load_model("lenet", backend=backend.name, size=512, divisor=1)


def test_one_class_has_no_gradient(backend: Backend) -> None:
    with pytest.raises(NoGradientError, match="every gradient is exactly zero"):
        load_model("lenet", backend=backend.name, classes=1)


def test_a_size_that_nothing_fits_is_answered_by_one_that_does() -> None:
    with pytest.raises(ModelError, match=r"128 x 128 .* Resize the pictures to 190 pixels"):
        kernels_for(128)
    assert kernels_for(190)


@pytest.mark.parametrize(("size", "divisor"), [(1, None), (0, None), (64, 4), (512, 2), (300, 16), (512, 0), (9, 500)])
def test_every_misfit_says_what_to_do(size: int, divisor: int | None) -> None:
    with pytest.raises(ModelError, match=r"(?i)resize|divisor|leave it out"):
        kernels_for(size, divisor)
