"""The witness that forces a record upon a network."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...backends import Model
from ...backends.protocol import Array, Tensor
from .gap import relative_l2
from .observers import Observer, Recorder
from .trace import Door

Gaps = dict[Door, float]
"""Relative L2 at each door."""


class Forcer(Observer):
    """Gives every layer the values and the gradients of a record, after comparing what it would have had.

    What is compared at each door was made from the record's values one step before: a difference belongs to that step.

    Parameters
    ----------
    tolerance : float
        Relative L2 above which an array is worth keeping; what differs by less than a hundredth of it passes as it is.
    ignored : collection of Door
        Doors that are treated as if the record did not have them.

    Attributes
    ----------
    gaps, gradient_gaps : dict of Door to float
    values, gradients : dict of Door to ndarray
        What differs.
    extra : dict of Door to ndarray
        What passed doors that the record does not have.
    """

    def __init__(self, model: Model, record: Recorder, tolerance: float, ignored: Collection[Door] = ()) -> None:
        super().__init__(model)
        self.device = model.device
        self.gaps: Gaps = {}
        self.gradient_gaps: Gaps = {}
        self.values: dict[Door, Array] = {}
        self.gradients: dict[Door, Array] = {}
        self.extra: dict[Door, Array] = {}
        self._record = record
        self._tolerance = tolerance
        self._ignored = ignored

    def saw(self, door: Door, array: Array) -> None:
        wanted = self._record.values.get(door)
        if wanted is None or door in self._ignored:
            self.extra[door] = array.copy()
            return
        self.gaps[door] = relative_l2(wanted, array)
        if self.gaps[door] > self._tolerance:
            self.values[door] = array.copy()

    def saw_gradient(self, door: Door, gradient: Array) -> Array | None:
        if door not in self.gaps:
            return None
        wanted = self._record.gradients.get(door)
        found = self.gradient_gaps[door] = relative_l2(wanted, gradient)
        if found > self._tolerance:
            self.gradients[door] = gradient.copy()
        if found <= self._tolerance / 100:
            return None
        # No gradient of the record's fits a tensor of another shape.
        return wanted if wanted is not None and wanted.shape == gradient.shape else gradient * 0

    def finish(self) -> None:
        """Count the gradients that did not arrive."""
        for door, reference in self._record.gradients.items():
            if door in self.gaps and door not in self.gradient_gaps:
                self.gradient_gaps[door] = relative_l2(reference, None)

    def _may_stay(self, door: Door) -> bool:
        return door not in self.gaps or self.gaps[door] <= self._tolerance / 100

    def _is_handed_on(self, door: Door, left: Door) -> bool:
        # What agrees with one array of the record at both doors is the same at both.
        values = self._record.values
        return all(each in self.gaps and self._may_stay(each) for each in (door, left)) and values[door] is values[left]

    def _array(self, tensor: Tensor) -> Array:
        """The tensor's numbers, where possible without a copy: they are looked at before the network goes on."""
        try:
            return np.from_dlpack(self.backend.detach(tensor))
        except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
            return self.backend.numpy(tensor)

    def _known(self, tensor: Tensor) -> tuple[Array, Door | None]:
        left = self._recent[-1] if self._recent else None
        return self._array(tensor), left[2] if left is not None and left[0] is tensor else None

    def _passed(self, door: Door, tensor: Tensor, array: Array) -> Tensor:
        if self._may_stay(door):
            return super()._passed(door, tensor, array)
        forced = self.backend.asarray(self._record.values[door], self.backend.dtype(tensor), self.device)
        shape = self.backend.shape(tensor)

        def backward(gradient: Tensor) -> list[Tensor]:
            fits = self.backend.shape(gradient) == shape
            return [gradient if fits else self.backend.asarray(array * 0, self.backend.dtype(tensor), self.device)]

        return super()._passed(door, self.backend.with_vjp(forced, [tensor], backward), array)
