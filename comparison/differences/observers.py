"""Witnesses of a run that leave it as it is: one that records, one that compares with a record."""

from __future__ import annotations

from collections import deque
from typing import Any

from ...backends import Model
from ...backends.protocol import Array, Tensor
from ...errors import NoGradientError
from .gap import Gap, gap
from .trace import ENTRANCE, IN, OUT, Door


class Observer:
    """Looks at every tensor and at the gradient that comes back to it.

    Parameters
    ----------
    outputs_only : bool
        Look at nothing that comes in but the network's own input: enough where no step is to be judged by itself.

    Attributes
    ----------
    roots : list of native tensor
        Where the network cuts the graph, a new one begins: the layers behind still get their gradients.
    entrance_gradient : ndarray or None
        At the network's own input.
    """

    def __init__(self, model: Model, outputs_only: bool = False) -> None:
        self.backend = model.backend
        self._outputs_only = outputs_only
        self.roots: list[Tensor] = []
        self.entrance_gradient: Array | None = None
        # Containers hand on what the layers inside them made: one tensor is copied and compared once.
        self._recent: deque[tuple[Tensor, Array, Door]] = deque(maxlen=4)
        self._also: dict[Door, list[Door]] = {}

    def value(self, door: Door, tensor: Tensor) -> Tensor:
        """Return what the network goes on with, which it may overwrite."""
        if self._outputs_only and door.side == IN and door != ENTRANCE:
            return tensor
        array, left = self._known(tensor)
        self.saw(door, array)
        if left is not None and left.side == door.side == OUT and self._is_handed_on(door, left):
            self._also.setdefault(left, []).append(door)
            return tensor
        passed = self._passed(door, tensor, array)
        self._recent.append((passed, array, door))
        return passed

    def saw(self, door: Door, array: Array) -> None:
        """Called with each tensor on the way forward."""

    def saw_gradient(self, door: Door, gradient: Array) -> Array | None:
        """Called with each gradient on the way back; what it returns takes its place."""

    def _is_handed_on(self, door: Door, left: Door) -> bool:
        """Whether what leaves a door is what left another just now, and was not overwritten since."""
        return True

    def _array(self, tensor: Tensor) -> Array:
        return self.backend.numpy(tensor)

    def close(self) -> None:
        """Let go of all tensors, which hold the whole graph."""
        self.roots.clear()
        self._recent.clear()

    def _passed(self, door: Door, tensor: Tensor, array: Array) -> Tensor:
        """The tensor, watched; of what comes in a copy, because other layers may use the same tensor."""
        if "float" not in self.backend.dtype(tensor):
            return tensor
        watched = tensor * 1 if door.side == IN else tensor
        if not self._follow(door, watched):
            self.roots.append(self.backend.leaf(tensor))
            watched = self.roots[-1] * 1
            if not self._follow(door, watched):  # gradients are switched off here
                self.roots.pop()
        return watched

    def _follow(self, door: Door, tensor: Tensor) -> bool:
        try:
            self.backend.on_grad(tensor, lambda gradient: self._look(door, gradient))
        except NoGradientError:
            return False
        return True

    def _look(self, door: Door, gradient: Tensor) -> Tensor | None:
        array = self._array(gradient)
        if door == ENTRANCE:
            self.entrance_gradient = array.copy()
        instead = self.saw_gradient(door, array)
        for other in self._also.get(door, ()):
            self.saw_gradient(other, array)
        if instead is None:
            return None
        return self.backend.asarray(instead, self.backend.dtype(gradient), self.backend.tensor_device(gradient))

    def _known(self, tensor: Tensor) -> tuple[Array, Door | None]:
        """The tensor's values; where it left a door just now and was not overwritten since, that door as well."""
        array = self._array(tensor)
        for recent, known, door in self._recent:
            if recent is tensor and _same(known, array):
                return known, door if self._recent[-1][0] is tensor else None
        return array, None


class Recorder(Observer):
    """Keeps everything.

    Attributes
    ----------
    values, gradients : dict of Door to ndarray
    """

    def __init__(self, model: Model, outputs_only: bool = False) -> None:
        super().__init__(model, outputs_only)
        self.values: dict[Door, Array] = {}
        self.gradients: dict[Door, Array] = {}
        self._last_gradient: Array | None = None

    def saw(self, door: Door, array: Array) -> None:
        self.values[door] = array

    def saw_gradient(self, door: Door, gradient: Array) -> Array | None:
        # What leaves one layer and enters the next has one gradient: it is kept once.
        if self._last_gradient is None or not _same(self._last_gradient, gradient):
            self._last_gradient = gradient
        self.gradients[door] = self._last_gradient
        return None


class Comparer(Observer):
    """Compares with a record and frees what it has compared.

    Parameters
    ----------
    keep : bool
        Leave the record as it is.

    Attributes
    ----------
    gaps, gradient_gaps : dict of Door to Gap
        From the record.
    """

    def __init__(self, model: Model, record: Recorder, keep: bool = False) -> None:
        super().__init__(model, outputs_only=True)
        self.gaps: dict[Door, Gap] = {}
        self.gradient_gaps: dict[Door, Gap] = {}
        self._record = record
        self._keep = keep
        self._done: deque[tuple[Array, Array, Gap]] = deque(maxlen=4)

    def saw(self, door: Door, array: Array) -> None:
        reference = self._take(self._record.values, door)
        if reference is not None:
            self.gaps[door] = self._gap(reference, array)

    def saw_gradient(self, door: Door, gradient: Array) -> Array | None:
        if door in self.gaps:
            self.gradient_gaps[door] = self._gap(self._take(self._record.gradients, door), gradient)
        return None

    def finish(self) -> None:
        """Count the gradients that did not arrive."""
        for door, reference in self._record.gradients.items():
            if door in self.gaps and door not in self.gradient_gaps:
                self.gradient_gaps[door] = gap(reference, None)

    def _take(self, arrays: dict[Door, Array], door: Door) -> Array | None:
        return arrays.get(door) if self._keep else arrays.pop(door, None)

    def _gap(self, reference: Array | None, array: Array) -> Gap:
        if reference is None:
            return gap(None, array)
        for a, b, known in self._done:
            if a is reference and b is array:
                return known
        found = gap(reference, array)
        self._done.append((reference, array, found))
        return found


def _same(a: Array, b: Array) -> Any:
    return a.shape == b.shape and (a == b).all()
