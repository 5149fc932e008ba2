"""Try out one framework or one group of packages; `doctor` runs this in a process of its own."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import sys
from collections.abc import Callable, Iterator

_EXTRAS = {
    "opencv-python": "cv2",
    "scikit-image": "skimage.segmentation",
    "scikit-learn": "sklearn.ensemble",
    "xgboost": "xgboost",
    "lime": "lime.lime_image",
    "shap": "shap",
}
_CURES = {
    "libGL": "pip uninstall opencv-python, then pip install opencv-python-headless (needs no graphics libraries)",
    "libgomp": "install the system package libgomp1",
    "NumPy 1.x": "this build needs numpy<2; requirements-gpu.txt has a set of versions that work together",
    "_ARRAY_API": "this build needs numpy<2; requirements-gpu.txt has a set of versions that work together",
}

Finding = dict[str, str]


def probe_torch() -> Iterator[Finding]:
    """Differentiate once, and import torchvision as it is or with its operators declared."""
    if importlib.util.find_spec("torch") is None:
        yield _finding("frameworks", "torch", "missing", "not installed")
        return
    import torch

    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (gradient,) = torch.autograd.grad((x * x).sum(), x)
    _expect(gradient.tolist())
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    names = [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())]
    devices = ", ".join(["cpu", *names])
    facts = f"{torch.__version__}, {build} build, devices: {devices}, {torch.get_num_threads()} threads"
    yield _finding("frameworks", "torch", "ok", facts)
    yield _torchvision()


def _torchvision() -> Finding:
    if importlib.util.find_spec("torchvision") is None:
        return _finding("frameworks", "torchvision", "missing", "not installed", "pip install torchvision")
    try:
        torchvision = importlib.import_module("torchvision")
    except RuntimeError:
        from .backends.torch_backend import import_torchvision

        version = import_torchvision().__version__
        facts = f"{version}, without compiled operators (its build and torch's differ): models and transforms work"
        return _finding("frameworks", "torchvision", "note", facts)
    return _finding("frameworks", "torchvision", "ok", torchvision.__version__)


def probe_paddle() -> Iterator[Finding]:
    """Differentiate once."""
    if importlib.util.find_spec("paddle") is None:
        yield _finding("frameworks", "paddle", "missing", "not installed")
        return
    import paddle

    paddle.set_device("cpu")
    x = paddle.to_tensor([1.0, 2.0, 3.0], stop_gradient=False)
    (gradient,) = paddle.grad((x * x).sum(), x)
    _expect(gradient.numpy().tolist())
    compiled = paddle.is_compiled_with_cuda()
    build = f"CUDA {paddle.version.cuda()} (cuDNN {paddle.version.cudnn()})" if compiled else "CPU"
    count = paddle.device.cuda.device_count() if compiled else 0
    devices = ", ".join(["cpu", *(f"cuda:{index}" for index in range(count))])
    facts = f"{paddle.__version__}, {build} build, devices: {devices}"
    yield _finding("frameworks", "paddle", "ok", facts)


def probe_figures() -> Iterator[Finding]:
    """Draw a picture with a title into memory, as the figures do: without a display."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib import font_manager
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    figure.suptitle("twin – lens")
    figure.savefig(io.BytesIO(), format="png")
    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties())).family_name
    yield _finding("machine", "figures", "ok", f"drawn without a display, font {font}")


def probe_extras() -> Iterator[Finding]:
    """Import the packages that bring compiled code, and name those that are installed but do not load."""
    for package, module in _EXTRAS.items():
        if importlib.util.find_spec(module.split(".")[0]) is None:
            continue
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever it is, it is the finding
            yield _broken("packages", f"import {module.split('.')[0]}", error, package)


def _expect(gradient: list[float]) -> None:
    if gradient != [2.0, 4.0, 6.0]:
        raise ArithmeticError(f"the gradient of x*x at 1, 2, 3 came out as {gradient}")


def _finding(section: str, name: str, state: str, found: str, cure: str = "") -> Finding:
    return {"section": section, "name": name, "state": state, "found": found, "cure": cure}


def _broken(section: str, name: str, error: BaseException, package: str) -> Finding:
    text = " ".join(str(error).split())
    cure = next((cure for sign, cure in _CURES.items() if sign in text), f"pip install --force-reinstall {package}")
    return _finding(section, name, "broken", f"{type(error).__name__}: {text[:200]}", cure)


PROBES: dict[str, Callable[[], Iterator[Finding]]] = {
    "torch": probe_torch,
    "paddle": probe_paddle,
    "figures": probe_figures,
    "extras": probe_extras,
}


def run(name: str) -> list[Finding]:
    """Run one probe; an exception that escapes it is its last finding."""
    findings: list[Finding] = []
    try:
        findings.extend(PROBES[name]())
    except Exception as error:  # whatever it is, it is the finding
        section = "frameworks" if name in ("torch", "paddle") else "machine"
        package = {"paddle": "paddlepaddle", "figures": "matplotlib"}.get(name, name)
        findings.append(_broken(section, name, error, package))
    return findings


if __name__ == "__main__":
    print(f"\n{json.dumps(run(sys.argv[1]))}", flush=True)
