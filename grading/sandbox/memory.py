"""What a framework takes by itself: measured, because an absolute limit would fail right answers on another build."""

from __future__ import annotations

import functools
import json
import subprocess

from .isolation import SandboxError
from .plan import Memory, environment

_TORCH = """
import torch
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(),
                          torch.nn.Linear(144, 3))
x = torch.ones(2, 3, 8, 8, requires_grad=True)
net(x).sum().backward()
"""
_PADDLE = (
    _TORCH.replace("requires_grad=True", "")
    .replace("torch", "paddle")
    .replace("BatchNorm2d", "BatchNorm2D")
    .replace("Conv2d", "Conv2D")
    .replace("x = paddle.ones(2, 3, 8, 8, )", "x = paddle.ones([2, 3, 8, 8]); x.stop_gradient = False")
)
_REPORT = """
import json, numpy
found = {"VmPeak": 0, "VmHWM": 0}
try:
    with open("/proc/self/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0])
except OSError:
    import resource
    found["VmHWM"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print("\\n" + json.dumps(found))
"""
_TRIALS = {"torch": _TORCH, "paddle": _PADDLE}


@functools.cache
def framework_memory(framework: str, python: str) -> Memory:
    """Measure a framework after its import and one small gradient, once.

    Parameters
    ----------
    framework : str
        ``"torch"`` or ``"paddle"``; of any other name only NumPy's memory is measured.
    python : str

    Raises
    ------
    SandboxError
        If it cannot be imported.
    """
    code = _TRIALS.get(framework, "") + _REPORT
    try:
        done = subprocess.run(
            [python, "-s", "-P", "-c", code],
            env=environment("/tmp"),
            capture_output=True,
            check=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.decode("utf-8", "replace").strip().splitlines() or ["it gives no reason"])[-1]
        raise SandboxError(f"'{framework}' does not work in {python}: {reason}.", f"Install {framework}.") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise SandboxError(f"The memory of '{framework}' cannot be measured ({error}).", "Try again.") from error
    return Memory(1024 * int(found["VmPeak"]), 1024 * int(found["VmHWM"]))
