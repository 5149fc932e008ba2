"""What a run is told: a YAML file, checked key by key before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError
from pydantic import model_validator as validator

from ..backends.objective import Of
from ..errors import ConfigError, TwinlensError, suggest
from ..methods import get_method

BackendChoice = Literal["torch", "paddle", "both"]
Parameters = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Training(_Strict):
    """Train the network on the data before it is explained.

    ``layers="head"`` keeps a pretrained network as it is and fits its last linear layer alone.
    """

    epochs: PositiveInt = 8
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    patience: PositiveInt | None = None
    augment: bool = True
    pictures: PositiveInt = 2200
    validation_pictures: PositiveInt = 550
    layers: Literal["all", "head"] = "all"


class ModelChoice(_Strict):
    """Which network: see `twinlens.load_model`."""

    name: str = "small_cnn"
    weights: str | None = None
    classes: PositiveInt | None = None
    options: Parameters = {}
    training: Training | None = None


class Data(_Strict):
    """Which pictures."""

    source: Literal["synthetic", "folder", "photographs", "files"] = "synthetic"
    path: Path | None = None
    files: list[Path] = []
    split: str = "validation"
    size: PositiveInt | None = None
    pictures: PositiveInt | list[NonNegativeInt] = 5
    on_error: Literal["skip", "fail"] = "skip"

    @validator(mode="after")
    def _has_its_source(self) -> Data:
        if self.source == "folder" and self.path is None:
            raise ValueError("source 'folder' needs a path")
        if self.source == "files" and not self.files:
            raise ValueError("source 'files' needs files")
        return self


class _WithMethods(_Strict):
    """A task whose keys of the same names are the parameters of methods."""

    target: Literal["label", "predicted"] | NonNegativeInt = "label"
    parity_pictures: NonNegativeInt = 2


def _parameters(method: str, value: Parameters) -> Parameters:
    known = get_method(method).defaults
    for name in value:
        if name not in known or name == "background":
            raise ValueError(f"the method '{method}' has no parameter '{name}'. {suggest(name, known)}")
    return value


class Saliency(_WithMethods):
    """Task 1: gradients of the loss or the logit with respect to the pictures."""

    of: Of = "loss"
    channels: Literal["max", "sum", "mean", "l2"] = "max"
    smoothgrad: Parameters | None = {}
    integrated_gradients: Parameters | None = {}

    @validator(mode="after")
    def _parameters_exist(self) -> Saliency:
        _parameters("smoothgrad", self.smoothgrad or {})
        _parameters("integrated_gradients", self.integrated_gradients or {})
        return self


class FilterVisualisation(_Strict):
    """Gradient ascent on a picture, for some filters of one layer."""

    layer: str | None = None
    filters: list[NonNegativeInt] = [0, 1, 2, 3]
    steps: PositiveInt = 50
    learning_rate: PositiveFloat = 0.1


class FeatureMaps(_Strict):
    """Task 2: what layers compute, seen through forward hooks."""

    layers: list[str] | None = None
    filters: Annotated[list[NonNegativeInt], Field(min_length=1)] = [0, 1, 2, 3]
    visualisation: FilterVisualisation | None = FilterVisualisation()


class LimeShap(_WithMethods):
    """Task 3 on pictures: LIME, expected gradients and partition SHAP."""

    lime: Parameters | None = {}
    expected_gradients: Parameters | None = {}
    partition_shap: Parameters | None = {}
    regions: PositiveInt = 5
    background: Literal["pictures", "blur"] = "pictures"
    background_pictures: PositiveInt = 20

    @validator(mode="after")
    def _parameters_exist(self) -> LimeShap:
        for method in ("lime", "expected_gradients", "partition_shap"):
            _parameters(method, getattr(self, method) or {})
        return self


class Tables(_Strict):
    """Task 3 on tables: iris, gradient boosting with LIME, XGBoost with exact SHAP values."""

    lime_row: NonNegativeInt = 81
    lime_target: NonNegativeInt | None = None
    shap_row: NonNegativeInt = 30
    shap_model: Literal["regressor", "classifier"] = "regressor"
    shap_target: NonNegativeInt | None = None
    samples: PositiveInt = 5000
    repeats: PositiveInt = 5
    split: Literal["stratified", "ordered", "none"] = "stratified"
    test_rows: PositiveInt = 30
    dependence: str | None = None
    interaction: str | None = None


class Part(_Strict):
    """One network, one set of pictures, some tasks."""

    name: str = "main"
    title: str | None = None
    model: ModelChoice = ModelChoice()
    data: Data = Data()
    saliency: Saliency | None = None
    feature_maps: FeatureMaps | None = None
    lime_shap: LimeShap | None = None


class RunConfig(_Strict):
    """A whole run.

    A file holds either ``parts`` or, for a single part, that part's keys beside ``title``. Keys beside ``parts``
    (``model``, ``data``, a task) are the defaults of every part.
    """

    title: str = "twinlens"
    backend: BackendChoice = "both"
    seed: NonNegativeInt = 0
    device: str = "auto"
    tables: Tables | None = None
    parts: Annotated[list[Part], Field(min_length=1)]

    @validator(mode="after")
    def _names_differ(self) -> RunConfig:
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError("two parts have the same name")
        return self


_TASKS = ("saliency", "feature_maps", "lime_shap")
_SHARED = (*_TASKS, "model", "data")


def load_config(path: str | Path, settings: Sequence[str] = (), **overrides: Any) -> RunConfig:
    """Read a configuration file and check it.

    Parameters
    ----------
    path : path
        A YAML file.
    settings : sequence of str
        ``"saliency.of=logit"``: a dotted key and a YAML value each, put over what the file says.
    **overrides
        Top-level keys put over everything, unless None: ``backend``, ``seed``, ``device``.

    Raises
    ------
    ConfigError
        Naming the key that is wrong.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no configuration file '{path}'.", "Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' cannot be read as text.", "Name a YAML file.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"'{path}' is not valid YAML ({_where(error)}).", "Check indentation and colons.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"'{path}' holds no keys.", "See the files in configs/ for examples.")
    for setting in settings:
        _put(raw, setting)
    raw |= {key: value for key, value in overrides.items() if value is not None}
    return parse_config(raw, str(path))


def parse_config(raw: Mapping[str, Any], source: str = "the configuration") -> RunConfig:
    """Check a configuration given as a mapping; see `load_config`."""
    try:
        return RunConfig.model_validate(_with_parts(raw))
    except ValidationError as error:
        raise ConfigError(*_described(error, source)) from error
    except TwinlensError as error:
        raise ConfigError(f"In {source}: {error.cause}", error.cure) from error


def with_data(config: RunConfig, path: Path) -> RunConfig:
    """The configuration with a Food-11 folder in place of its pictures, or a picture beside its photographs.

    Raises
    ------
    ConfigError
        If there is nothing at the path, or a picture is given and no part explains photographs.
    """
    if not path.exists():
        raise ConfigError(f"There is nothing at '{path}'.", "Give --data a Food-11 folder or a picture.")
    parts = []
    for part in config.parts:
        data = part.data
        if path.is_dir():
            data = data.model_copy(update={"source": "folder", "path": path})
        elif data.source == "photographs":
            data = data.model_copy(update={"files": [*data.files, path]})
        elif data.source == "files":
            data = data.model_copy(update={"files": [path]})
        parts.append(part.model_copy(update={"data": data}))
    if parts == config.parts:
        raise ConfigError(f"No part of this configuration explains single pictures such as '{path}'.", "Give a folder.")
    return config.model_copy(update={"parts": parts})


def _with_parts(raw: Mapping[str, Any]) -> dict[str, Any]:
    shared = {key: raw[key] for key in _SHARED if key in raw}
    rest = {key: value for key, value in raw.items() if key not in _SHARED}
    parts = rest.pop("parts", None)
    if parts is None:
        parts = [{}]
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ConfigError("'parts' is not a list of parts.", "Begin each part with '- name: ...'.")
    return rest | {"parts": [_merged(shared, part) for part in parts]}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _put(raw: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {setting} is not a setting.", "Write --set key=value, such as saliency.of=logit.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {setting}: the value is not valid YAML.", "Quote it.") from error
    *path, last = key.split(".")
    place: Any = raw
    for name in path:
        if isinstance(place, list):
            place = _element(place, name, setting)
        else:
            if not isinstance(place.get(name), (dict, list)):
                place[name] = {}
            place = place[name]
    if isinstance(place, list):
        raise ConfigError(f"--set {setting}: '{last}' is in a list.", "Name the key inside the list's element.")
    place[last] = value


def _element(place: list[Any], name: str, setting: str) -> Any:
    """An element of a list, by its number or by its own key `name`."""
    for element in place:
        if isinstance(element, dict) and element.get("name") == name:
            return element
    if name.isdigit() and int(name) < len(place) and isinstance(place[int(name)], dict):
        return place[int(name)]
    raise ConfigError(f"--set {setting}: there is no '{name}' in the list.", f"Use 0 to {len(place) - 1} or a name.")


def _described(error: ValidationError, source: str) -> tuple[str, str]:
    first = error.errors(include_url=False)[0]
    parts = [str(piece) for piece in first["loc"]]
    if parts[:2] == ["parts", "0"] and len(parts) > 2:
        parts = parts[2:]
    key = ".".join(piece for piece in parts if piece != "int" and "constrained" not in piece)
    if first["type"] == "extra_forbidden":
        return f"In {source}: the key '{key}' is not known.", suggest(parts[-1], _keys_at(parts[:-1]))
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"In {source}: '{key or 'the file'}': {message[:1].lower()}{message[1:]}", "(Correct that key.)"


def _keys_at(path: Sequence[str]) -> list[str]:
    """The keys that exist where an unknown one was found."""
    place: type[BaseModel] = Part if path and path[0] in _SHARED else RunConfig
    for name in path:
        if name == "parts":
            place = Part
        elif name in place.model_fields:
            annotation = place.model_fields[name].annotation
            options = [annotation, *getattr(annotation, "__args__", ())]
            place = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), place)
    return [*place.model_fields, *(_SHARED if place is RunConfig else ())]


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark else "unreadable"
