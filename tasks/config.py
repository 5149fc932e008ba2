"""What a run can be told: the keys of a configuration, their kinds and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import model_validator as validator

from ..backends.objective import Of
from ..errors import ConfigError, suggest
from ..methods import get_method
from .strict import Strict
from .studies.base import StudySettings
from .studies.glass_box.settings import GlassBox
from .studies.ice_pdp.settings import IcePdp
from .studies.lime_tables.settings import LimeTables
from .studies.lime_text.settings import LimeText
from .studies.seq2seq.settings import Seq2Seq
from .studies.shap_tables.settings import ShapTables
from .studies.shapley_game.settings import ShapleyGame
from .studies.tables.settings import Tables

BackendChoice = Literal["torch", "paddle", "both"]
Parameters = dict[str, Any]

TASKS = ("saliency", "feature_maps", "lime_shap")
STUDIES = (
    "tables",
    "glass_box",
    "ice_pdp",
    "lime_tables",
    "lime_text",
    "shapley_game",
    "shap_tables",
    "seq2seq",
)
PART_KEYS = (*TASKS, "model", "data")
"""What may stand beside ``parts`` for all of them."""
OFF_BY_DEFAULT = (*((task,) for task in TASKS), ("model", "training"))
"""Keys of a part that switch something on."""


class Training(Strict):
    """Train the network on the data before it is explained.

    ``layers="head"`` keeps a pretrained network as it is and fits its last linear layer alone.
    """

    epochs: PositiveInt = 8
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    patience: PositiveInt | None = None
    augment: bool = True
    pictures: PositiveInt = 2200
    validation_pictures: PositiveInt = 550
    layers: Literal["all", "head"] = "all"


class ModelChoice(Strict):
    """Which network: see `twinlens.load_model`."""

    name: str = "small_cnn"
    weights: str | None = None
    classes: PositiveInt | None = None
    options: Parameters = {}
    training: Training | None = None


class Data(Strict):
    """Which pictures."""

    source: Literal["synthetic", "folder", "photographs", "files"] = "synthetic"
    path: Path | None = None
    files: list[Path] = []
    split: str = "validation"
    size: PositiveInt | None = None
    pictures: PositiveInt | Annotated[list[NonNegativeInt], Field(min_length=1)] = 5
    on_error: Literal["skip", "fail"] = "skip"

    @validator(mode="after")
    def _has_its_source(self) -> Data:
        if self.source == "folder" and self.path is None:
            raise ConfigError("The source 'folder' needs a path.", "Set data.path.")
        if self.source == "files" and not self.files:
            raise ConfigError("The source 'files' needs files.", "Set data.files to a list of pictures.")
        return self


Target = Literal["label", "predicted"] | NonNegativeInt


def _check_parameters(task: BaseModel, *methods: str) -> None:
    """Raise `ConfigError` unless each key that is named after a method holds parameters of that method."""
    for method in methods:
        known = [name for name in get_method(method).defaults if name != "background"]
        for name in getattr(task, method) or {}:
            if name not in known:
                raise ConfigError(f"The method '{method}' has no parameter '{name}'.", suggest(name, known))


class Saliency(Strict):
    """Task 1: gradients of the loss or the logit with respect to the pictures."""

    target: Target = "label"
    of: Of = "loss"
    channels: Literal["max", "sum", "mean", "l2"] = "max"
    smoothgrad: Parameters | None = {}
    integrated_gradients: Parameters | None = {}
    parity_pictures: NonNegativeInt = 2

    @validator(mode="after")
    def _parameters_exist(self) -> Saliency:
        _check_parameters(self, "smoothgrad", "integrated_gradients")
        return self


class FilterVisualisation(Strict):
    """Gradient ascent on a picture, for some filters of one layer."""

    layer: str | None = None
    filters: Annotated[list[NonNegativeInt], Field(min_length=1)] = [0, 1, 2, 3]
    steps: PositiveInt = 50
    learning_rate: PositiveFloat = 0.1


class FeatureMaps(Strict):
    """Task 2: what layers compute, seen through forward hooks."""

    layers: Annotated[list[str], Field(min_length=1)] | None = None
    filters: Annotated[list[NonNegativeInt], Field(min_length=1)] = [0, 1, 2, 3]
    visualisation: FilterVisualisation | None = FilterVisualisation()


class LimeShap(Strict):
    """Task 3 on pictures: LIME, expected gradients and partition SHAP."""

    target: Target = "label"
    lime: Parameters | None = {}
    expected_gradients: Parameters | None = {}
    partition_shap: Parameters | None = {}
    regions: PositiveInt = 5
    background: Literal["pictures", "blur"] = "pictures"
    background_pictures: PositiveInt = 20

    @validator(mode="after")
    def _parameters_exist(self) -> LimeShap:
        methods = ("lime", "expected_gradients", "partition_shap")
        _check_parameters(self, *methods)
        if all(getattr(self, method) is None for method in methods):
            raise ConfigError("lime_shap has no method left.", f"Keep one of: {', '.join(methods)}.")
        return self


class Part(Strict):
    """One network, one set of pictures, some tasks."""

    # A part's name begins the names of its files.
    name: Annotated[str, Field(pattern=r"^\w[\w-]*$")] = "main"
    title: str | None = None
    model: ModelChoice = ModelChoice()
    data: Data = Data()
    saliency: Saliency | None = None
    feature_maps: FeatureMaps | None = None
    lime_shap: LimeShap | None = None

    @validator(mode="after")
    def _has_a_task(self) -> Part:
        if all(getattr(self, task) is None for task in TASKS):
            raise ConfigError(f"The part '{self.name}' has no task.", f"Give it one of: {', '.join(TASKS)}.")
        return self


class RunConfig(Strict):
    """A whole run.

    A file holds either ``parts`` or, for a single part, that part's keys beside ``title``. Keys beside ``parts``
    (``model``, ``data``, a task) are the defaults of every part. With studies alone there is no part.
    """

    title: str = "twinlens"
    backend: BackendChoice = "both"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    device: str = "auto"
    tables: Tables | None = None
    glass_box: GlassBox | None = None
    ice_pdp: IcePdp | None = None
    lime_tables: LimeTables | None = None
    lime_text: LimeText | None = None
    shapley_game: ShapleyGame | None = None
    shap_tables: ShapTables | None = None
    seq2seq: Seq2Seq | None = None
    parts: list[Part]

    @property
    def studies(self) -> dict[str, StudySettings]:
        """The studies of this run by name, in the order of the report."""
        found = {name: getattr(self, name) for name in STUDIES}
        return {name: settings for name, settings in found.items() if settings is not None}

    @validator(mode="after")
    def _parts_differ(self) -> RunConfig:
        names = [part.name for part in self.parts]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(f"Two parts have the name '{twice}'.", "Give each part a name of its own.")
        if not self.parts and not self.studies:
            raise ConfigError("There is nothing to do.", f"Add one of: {', '.join(TASKS + STUDIES)}.")
        return self
