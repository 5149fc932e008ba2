from __future__ import annotations

import pytest

from twinlens.backends import available_backends, get_backend
from twinlens.comparison.conversion.from_paddle import torch_network
from twinlens.errors import BackendError


def test_without_torch_the_error_names_it() -> None:
    if "paddle" not in available_backends() or "torch" in available_backends():
        pytest.skip("needs Paddle alone")
    import paddle

    get_backend("paddle")
    with pytest.raises(BackendError, match="'torch' is not installed"):
        torch_network(paddle.nn.ReLU(), [[1.0]])
