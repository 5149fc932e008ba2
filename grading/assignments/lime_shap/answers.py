"""Right and wrong answers of the assignment on LIME and SHAP. Never given to students."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np

from twinlens.backends import Model
from twinlens.grading.protocol import Array, Arrays, Mistake, Property, Verdict, random_generator
from twinlens.methods.perturbation.exact_shapley import shapley_values

_CLASSES = 5
_COLUMNS = 6
_SEGMENTS = 6
_UNITS = np.array([0.3, 1.0, 10.0, 50.0, 2.0, 5.0])
"""How far the columns of the table spread: each has its own unit."""

_WEIGHTS, _CASES = range(2)


# -- what is asked ---------------------------------------------------------------------------------------------------


def weights(seed: int, public: bool) -> dict[str, Array]:
    """Canonical weights of both networks. The one for the table does not use one of its columns."""
    rng = random_generator(seed, _WEIGHTS, public)
    first, second = rng.normal(0, 0.5, (8, 3, 3, 3)), rng.normal(0, 0.25, (16, 8, 3, 3))
    classes = rng.normal(0, 1.5, (_CLASSES, 16))
    hidden = rng.normal(0, 0.9, (16, _COLUMNS)) / _UNITS
    hidden[:, rng.integers(_COLUMNS)] = 0
    found: dict[str, Array] = {
        "pictures.conv1.weight": first,
        "pictures.conv1.bias": rng.normal(0, 0.1, 8),
        "pictures.bn1.running_mean": 0.45 * first.sum((1, 2, 3)) + rng.normal(0, 0.2, 8),
        "pictures.bn1.running_var": rng.uniform(0.4, 1.2, 8),
        "pictures.conv2.weight": second,
        "pictures.conv2.bias": rng.normal(0, 0.1, 16),
        "pictures.bn2.running_mean": 0.7 * second.sum((1, 2, 3)) + rng.normal(0, 0.2, 16),
        "pictures.bn2.running_var": rng.uniform(1.0, 3.0, 16),
        # No class is ahead from the outset: where one is nearly sure, LIME finds nothing for the others.
        "pictures.fc.weight": classes,
        "pictures.fc.bias": -0.45 * classes.sum(1) + rng.normal(0, 0.2, _CLASSES),
        "table.hidden1.weight": hidden,
        "table.hidden1.bias": rng.normal(0, 0.3, 16),
        "table.bn.running_mean": rng.normal(0, 0.5, 16),
        "table.bn.running_var": rng.uniform(1.0, 4.0, 16),
        "table.hidden2.weight": rng.normal(0, 0.5, (8, 16)),
        "table.hidden2.bias": rng.normal(0, 0.2, 8),
        "table.output.weight": rng.normal(0, 1.0, (3, 8)),
        "table.output.bias": rng.normal(0, 0.2, 3),
    }
    for name, size in [("pictures.bn1", 8), ("pictures.bn2", 16), ("table.bn", 16)]:
        found[f"{name}.weight"] = rng.uniform(0.8, 1.2, size)
        found[f"{name}.bias"] = rng.normal(0.1, 0.2, size)
    return {name: values.astype(np.float32) for name, values in found.items()}


def cases(task: str, seed: int, public: bool) -> dict[str, Array]:
    """Inputs of one run of the driver."""
    rng = random_generator(seed, _CASES, public)
    size = (20, 28) if public else (24, 32)
    match task:
        case "classifier_function":
            return {
                "bytes": np.rint(255 * _pictures(rng, 4, *size)).astype(np.uint8),
                "floats": _pictures(rng, 4, *size),
            }
        case "lime_weights":
            pictures = _pictures(rng, 3, *size)
            # One picture with two labels: at least one of them is not what the network predicts.
            pictures[2] = pictures[0]
            labels = rng.permutation(_CLASSES - 1)[:3]
            return {
                "pictures": pictures,
                "segments": np.stack([_segments(rng, *size) for _ in pictures]),
                "masks": np.stack([_masks(rng) for _ in pictures]),
                "labels": labels,
                "fill": rng.uniform(0.2, 0.8, 3).astype(np.float32).astype(np.float64),
                "kernel_width": np.array(round(float(rng.uniform(0.2, 0.35)), 2)),
                "penalty": np.array(round(float(rng.uniform(0.5, 2.0)), 1)),
            }
        case _:
            centre = rng.normal(0, 2, _COLUMNS) * _UNITS
            rows = centre + rng.normal(0, 1.5, (6, _COLUMNS)) * _UNITS
            rows[1] = rows[0]
            labels = rng.integers(0, 2, 6)
            labels[:2] = rng.permutation(2)
            return {
                "rows": rows.astype(np.float32),
                "background": (centre + rng.normal(0, 1.0, (16, _COLUMNS)) * _UNITS).astype(np.float32),
                "labels": labels,
            }


def _pictures(rng: np.random.Generator, count: int, height: int, width: int) -> Array:
    """Pictures (N, H, W, 3) of 0 to 1 as float64, in blocks with noise; each of another brightness."""
    blocks = rng.random((count, height // 4, width // 4, 3)).repeat(4, 1).repeat(4, 2)
    noisy = (blocks + rng.normal(0, 0.1, blocks.shape)).clip(0, 1)
    brightness = rng.permutation(np.linspace(0.35, 0.95, count))[:, None, None, None]
    pictures: Array = (noisy * brightness).astype(np.float32).astype(np.float64)
    return pictures


def _segments(rng: np.random.Generator, height: int, width: int) -> Array:
    """Two rows of three superpixels with crooked borders, numbered in any order."""
    down = int(rng.integers(height // 3, height - height // 3)) + rng.integers(-2, 3, width)
    right = [(part * width) // 3 + rng.integers(-2, 3, height) for part in (1, 2)]
    row, column = np.indices((height, width))
    numbers = 3 * (row >= down[None, :]) + sum((column >= border[:, None]).astype(int) for border in right)
    found: Array = rng.permutation(_SEGMENTS)[numbers]
    return found


def _masks(rng: np.random.Generator) -> Array:
    """The whole picture and 19 neighbours, all different, none of which is wholly hidden."""
    numbers = np.concatenate([[2**_SEGMENTS - 1], 1 + rng.permutation(2**_SEGMENTS - 2)[:19]])
    masks: Array = (numbers[:, None] >> np.arange(_SEGMENTS)) & 1
    return masks


# -- right answers ---------------------------------------------------------------------------------------------------


def expected(task: str, model: Model, inputs: Arrays) -> dict[str, Array]:
    """What the driver returns for a right submission."""
    functions: dict[str, Callable[[Model, Arrays], dict[str, Array]]] = {
        "classifier_function": classify,
        "lime_weights": lime,
        "shap_values": shap,
    }
    return functions[task](model, inputs)


def softmax(scores: Array, axis: int = 1) -> Array:
    """Probabilities from scores."""
    powers = np.exp(scores - scores.max(axis, keepdims=True))
    shares: Array = powers / powers.sum(axis, keepdims=True)
    return shares


def log_softmax(scores: Array) -> Array:
    """Logarithms of the probabilities."""
    shifted = scores - scores.max(1, keepdims=True)
    logarithms: Array = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return logarithms


def scaled(pictures: Array) -> Array:
    """Values of 0 to 1, from bytes or from such values."""
    return pictures / 255.0 if pictures.dtype == np.uint8 else pictures


def channels_first(pictures: Array) -> Array:
    """(N, H, W, C) to (N, C, H, W)."""
    return pictures.transpose(0, 3, 1, 2)


def classify(
    model: Model,
    inputs: Arrays,
    scale: Callable[[Array], Array] = scaled,
    arrange: Callable[[Array], Array] = channels_first,
    training: bool = False,
    output: Callable[[Array], Array] = softmax,
) -> dict[str, Array]:
    """Probabilities of pictures, of bytes and of floating-point numbers, and of one alone.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    scale : callable
        To values of 0 to 1.
    arrange : callable
        To the network's axes.
    training : bool
    output : callable
        Of the scores.
    """
    calls = {"of_bytes": inputs["bytes"], "of_floats": inputs["floats"], "alone": inputs["floats"][:1]}
    return {name: output(_scores(model, arrange(scale(given)), training)) for name, given in calls.items()}


def lime(
    model: Model,
    inputs: Arrays,
    shift: int = 0,
    predicted: bool = False,
    inverted: bool = False,
    black: bool = False,
    arrange: Callable[[Array], Array] = channels_first,
    training: bool = False,
    output: Callable[[Array], Array] = softmax,
    importance: Callable[[Array, float], Array] | None = None,
    penalty: Callable[[float], float] = lambda given: given,
    intercept: bool = True,
    finish: Callable[[Array], Array] = lambda found: found,
) -> dict[str, Array]:
    """Coefficients (P, K) of a weighted ridge regression for each picture.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    shift : int
        Added to the label.
    predicted : bool
        Explain the network's prediction in place of the label.
    inverted : bool
        Hide what the mask shows.
    black : bool
        Hide by black in place of the colour.
    arrange, training, output
        As for `classify`.
    importance : callable, optional
        Of the neighbours, from masks and kernel width.
    penalty : callable
        Of the given one.
    intercept : bool
    finish : callable
        Of the coefficients of one picture.
    """
    width, ridge = float(inputs["kernel_width"]), penalty(float(inputs["penalty"]))
    fill = 0 * inputs["fill"] if black else inputs["fill"]
    found = []
    for picture, segments, masks, label in zip(
        inputs["pictures"], inputs["segments"], inputs["masks"], inputs["labels"], strict=True
    ):
        shown = (masks == 0 if inverted else masks == 1)[:, segments][..., None]
        scores = _scores(model, arrange(np.where(shown, picture, fill)), training)
        # The first mask shows everything.
        column = int(scores[0].argmax()) if predicted else int(label) + shift
        worth = output(scores)[:, column]
        found.append(finish(regression(masks, worth, (importance or nearness)(masks, width), ridge, intercept)))
    return {"weights": np.stack(found)}


def nearness(masks: Array, width: float) -> Array:
    """Weights of the neighbours, as in the package ``lime``."""
    distance = 1 - np.sqrt(masks.mean(1))
    found: Array = np.sqrt(np.exp(-(distance**2) / width**2))
    return found


def regression(masks: Array, worth: Array, importance: Array, penalty: float, intercept: bool = True) -> Array:
    """Coefficients (K,) of a weighted ridge regression; the intercept is not penalised."""
    rows, wanted = masks.astype(np.float64), worth.astype(np.float64)
    if intercept:
        shares = importance / importance.sum()
        rows, wanted = rows - shares @ rows, wanted - shares @ wanted
    moment = rows.T @ (importance[:, None] * rows) + penalty * np.eye(rows.shape[1])
    found: Array = np.linalg.solve(moment, rows.T @ (importance * wanted))
    return found


def shap(
    model: Model,
    inputs: Arrays,
    background: Callable[[Array], Array] = lambda rows: rows,
    shift: int = 0,
    predicted: bool = False,
    output: Callable[[Array], Array] = lambda scores: scores,
    share: Callable[[Array], Array] = shapley_values,
) -> dict[str, Array]:
    """Values (N, D) of the columns.

    Parameters
    ----------
    model : Model
    inputs : mapping of str to ndarray
    background : callable
        What absent columns are taken from, made from the rows of the background.
    shift : int
        Added to the labels.
    predicted : bool
        Explain the network's predictions in place of the labels.
    output : callable
        Of the scores.
    share : callable
        Values (D,) from what every coalition is worth (2^D,); column j takes part where bit j is set.
    """
    rows, others = inputs["rows"], background(inputs["background"])
    labels = model.forward(rows).argmax(1) if predicted else inputs["labels"] + shift
    present = (np.arange(2**_COLUMNS)[:, None] >> np.arange(_COLUMNS)) & 1 == 1
    mixed = np.where(present[:, None], rows[:, None, None], others)
    scores = output(model.forward(mixed.reshape(-1, _COLUMNS))).reshape(*mixed.shape[:3], -1)
    worth = scores.astype(np.float64).mean(2)
    return {"values": np.stack([share(worth[i, :, label]) for i, label in enumerate(labels)])}


# -- on the protocol -------------------------------------------------------------------------------------------------


def _scores(model: Model, pictures: Array, training: bool) -> Array:
    backend = model.backend
    # In training mode, with the driver's seed of dropout.
    with (
        backend.training(model.net) if training else backend.frozen(model.net),
        backend.seeded(0) if training else nullcontext(),
        backend.no_grad(),
    ):
        return backend.numpy(model.scores(model.tensor(model.check_input(pictures))))


def _reshaped(pictures: Array) -> Array:
    count, height, width, channels = pictures.shape
    return pictures.reshape(count, channels, height, width)


def _width_first(pictures: Array) -> Array:
    return pictures.transpose(0, 3, 2, 1)


def _blue_first(pictures: Array) -> Array:
    return channels_first(pictures[..., ::-1])


def _twice(scores: Array) -> Array:
    return softmax(softmax(scores))


def _across_pictures(scores: Array) -> Array:
    return softmax(scores, axis=0)


def _everyone_equal(masks: Array, width: float) -> Array:
    return np.ones(len(masks))


def _weighted_twice(masks: Array, width: float) -> Array:
    return nearness(masks, width) ** 2


def _by_hidden_share(masks: Array, width: float) -> Array:
    return np.sqrt(np.exp(-((1 - masks.mean(1)) ** 2) / width**2))


def _largest_first(found: Array) -> Array:
    return found[np.argsort(-np.abs(found))]


def _mean_row(rows: Array) -> Array:
    return rows.mean(0, keepdims=True)


def _first_row(rows: Array) -> Array:
    return rows[:1]


def _zeros(rows: Array) -> Array:
    return np.zeros_like(rows[:1])


def _negative(worth: Array) -> Array:
    return -shapley_values(worth)


def _contributions(worth: Array, column: int) -> Array:
    """What the column adds to each coalition of the others."""
    parts = worth.reshape(-1, 2, 1 << column)
    return (parts[:, 1] - parts[:, 0]).ravel()


def _taken_away(worth: Array) -> Array:
    return np.array([_contributions(worth, column)[-1] for column in range(_COLUMNS)])


def _put_in(worth: Array) -> Array:
    return np.array([_contributions(worth, column)[0] for column in range(_COLUMNS)])


def _all_alike(worth: Array) -> Array:
    return np.array([_contributions(worth, column).mean() for column in range(_COLUMNS)])


def _gradient_times_input(model: Model, inputs: Arrays) -> dict[str, Array]:
    rows = inputs["rows"]
    return {"values": model.gradient(rows, target=inputs["labels"].tolist()) * rows}


# -- numbers of hints ------------------------------------------------------------------------------------------------

Numbers = Mapping[str, float]


def _row(inputs: Arrays, outputs: Arrays) -> Numbers:
    found = outputs["of_floats"]
    return {
        "total": float(found[0].sum()),
        "down": float(found[:, 0].sum()),
        "lowest": float(found.min()),
        "highest": float(found.max()),
    }


def _company(inputs: Arrays, outputs: Arrays) -> Numbers:
    together, alone = outputs["of_floats"][0], outputs["alone"][0]
    return {"together": float(together.max()), "alone": float(alone[together.argmax()])}


def _sureness(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {name: float(outputs[f"of_{name}"].max(1).mean()) for name in ("bytes", "floats")}


def _spread(inputs: Arrays, outputs: Arrays) -> Numbers:
    found = outputs["weights"]
    return {
        "largest": float(np.abs(found).max()),
        "total": float(found[0].sum()),
        "first": float(found[0, 0]),
        "last": float(found[0, -1]),
    }


def _labels(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"label": float(inputs["labels"][0]), "next": float(inputs["labels"][0]) + 1}


def _row_total(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"total": float(outputs["values"][0].sum()), "largest": float(np.abs(outputs["values"]).max())}


# -- wrong answers ---------------------------------------------------------------------------------------------------


def _mistake(
    function: Callable[..., dict[str, Array]],
    id: str,
    credit: float,
    hint: str,
    measure: Callable[[Arrays, Arrays], Numbers] | None = None,
    **wrong: Any,
) -> Mistake:
    def compute(model: Model, inputs: Arrays) -> dict[str, Array]:
        return function(model, inputs, **wrong)

    return Mistake(id, hint, credit, compute, measure or (lambda inputs, outputs: {}))


MISTAKES: dict[str, list[Mistake]] = {
    "classifier_function": [
        _mistake(
            classify,
            "no_softmax",
            0.5,
            "The first picture's row sums to {total:.2f} and not to 1: LIME wants probabilities; apply softmax.",
            _row,
            output=lambda scores: scores,
        ),
        _mistake(
            classify,
            "softmax_twice",
            0.6,
            "All probabilities lie between {lowest:.2f} and {highest:.2f}: softmax was applied twice; pass it the "
            "network's scores.",
            _row,
            output=_twice,
        ),
        _mistake(
            classify,
            "log_softmax",
            0.5,
            "No value is above {highest:.2g}: these are logarithms; return the probabilities themselves.",
            _row,
            output=log_softmax,
        ),
        _mistake(
            classify,
            "softmax_across_pictures",
            0.4,
            "The first class sums to {down:.2f} over the pictures: softmax belongs over the classes, axis 1.",
            _row,
            output=_across_pictures,
        ),
        _mistake(
            classify,
            "reshaped",
            0.4,
            "The pixels are mixed up on their way from (N, H, W, C) to (N, C, H, W): transpose, don't reshape.",
            arrange=_reshaped,
        ),
        _mistake(
            classify,
            "width_first",
            0.6,
            "The pictures lie on their side, (N, C, W, H): transpose by (0, 3, 1, 2).",
            arrange=_width_first,
        ),
        _mistake(
            classify,
            "blue_first",
            0.6,
            "Red and blue are swapped: the pictures are RGB already, OpenCV has no part in this.",
            arrange=_blue_first,
        ),
        _mistake(
            classify,
            "bytes_not_scaled",
            0.5,
            "The network is {bytes:.0%} sure of pictures of bytes and {floats:.0%} sure of the others: divide bytes "
            "by 255.",
            _sureness,
            scale=lambda pictures: pictures.astype(np.float64),
        ),
        _mistake(
            classify,
            "always_divided",
            0.5,
            "Pictures of 0 to 1 were divided by 255 as well: divide only where the array holds bytes (dtype uint8).",
            scale=lambda pictures: pictures / 255.0,
        ),
        _mistake(
            classify,
            "own_maximum",
            0.5,
            "The batch was divided by its own maximum: the same picture then changes with the others. Divide bytes by "
            "255 and leave numbers of 0 to 1 alone.",
            scale=lambda pictures: pictures / pictures.max(),
        ),
        _mistake(
            classify,
            "train_mode",
            0.5,
            "The first picture's largest probability is {together:.3f} in the batch and {alone:.3f} alone: it changes "
            "with its batch mates; call eval().",
            _company,
            training=True,
        ),
    ],
    "lime_weights": [
        _mistake(
            lime,
            "masks_inverted",
            0.5,
            "You hid the superpixels that the mask shows: 1 means shown, 0 painted over.",
            inverted=True,
        ),
        _mistake(
            lime,
            "unweighted",
            0.6,
            "All neighbours count the same: give each its weight from the kernel (sample_weight).",
            importance=_everyone_equal,
        ),
        _mistake(
            lime,
            "weighted_twice",
            0.7,
            "The weights of the neighbours are squared: w has a square root, and rows are multiplied by the root of w.",
            importance=_weighted_twice,
        ),
        _mistake(
            lime,
            "other_distance",
            0.7,
            "The distance is not the share of what is hidden: it is the cosine distance 1 - sqrt(n / K).",
            importance=_by_hidden_share,
        ),
        _mistake(
            lime,
            "no_penalty",
            0.7,
            "This is the regression without its penalty; the largest weight is {largest:.2g}. Add penalty times the "
            "identity.",
            _spread,
            penalty=lambda given: 0.0,
        ),
        _mistake(
            lime,
            "no_intercept",
            0.6,
            "The weights of the first picture sum to {total:.2f}, because they stand in for the intercept: fit one, "
            "without penalty.",
            _spread,
            intercept=False,
        ),
        _mistake(
            lime,
            "predicted_label",
            0.5,
            "You explained the prediction; use the given label, such as {label:d} for the first picture.",
            _labels,
            predicted=True,
        ),
        _mistake(
            lime,
            "next_label",
            0.5,
            "The first picture is explained for class {next:d}, its label is {label:d}; labels start at 0.",
            _labels,
            shift=1,
        ),
        _mistake(
            lime,
            "no_softmax",
            0.5,
            "The largest weight is {largest:.2g}: the regression was fitted to scores. Fit it to probabilities.",
            _spread,
            output=lambda scores: scores,
        ),
        _mistake(
            lime,
            "softmax_twice",
            0.5,
            "No weight is larger than {largest:.2g}: softmax was applied twice; pass it the network's scores.",
            _spread,
            output=_twice,
        ),
        _mistake(
            lime,
            "loss",
            0.5,
            "The largest weight is {largest:.2g}: matches the cross-entropy loss; fit the probability of the label.",
            _spread,
            output=lambda scores: -log_softmax(scores),
        ),
        _mistake(
            lime,
            "log_probability",
            0.5,
            "The largest weight is {largest:.2g}: matches the logarithm of the probability; fit the probability "
            "itself.",
            _spread,
            output=log_softmax,
        ),
        _mistake(
            lime,
            "train_mode",
            0.5,
            "What the network says of a neighbour changes with its batch mates; call eval().",
            training=True,
        ),
        _mistake(
            lime,
            "black_fill",
            0.7,
            "Hidden superpixels are black: paint them in the colour `fill`.",
            black=True,
        ),
        _mistake(
            lime,
            "reshaped",
            0.4,
            "The pixels are mixed up on their way from (M, H, W, C) to (M, C, H, W): transpose, don't reshape.",
            arrange=_reshaped,
        ),
        _mistake(
            lime,
            "width_first",
            0.6,
            "The pictures lie on their side, (M, C, W, H): transpose by (0, 3, 1, 2).",
            arrange=_width_first,
        ),
        _mistake(
            lime,
            "sorted",
            0.7,
            "The weights run from {first:.2g} to {last:.2g} by size: return them in the order of the superpixels.",
            _spread,
            finish=_largest_first,
        ),
    ],
    "shap_values": [
        _mistake(
            shap,
            "mean_row",
            0.5,
            "The values of the first row sum to {total:.2f}, its score minus that of the background's mean row: "
            "average the scores of the background's rows, not the rows.",
            _row_total,
            background=_mean_row,
        ),
        _mistake(
            shap,
            "first_row",
            0.4,
            "The values of the first row sum to {total:.2f}, its score minus that of the background's first row: "
            "average over all rows of the background.",
            _row_total,
            background=_first_row,
        ),
        _mistake(
            shap,
            "zeros",
            0.4,
            "The values of the first row sum to {total:.2f}, its score minus that of a row of zeros: absent columns "
            "take their values from the background.",
            _row_total,
            background=_zeros,
        ),
        _mistake(
            shap,
            "predicted_label",
            0.5,
            "You explained the prediction; use the given label, such as {label:d} for the first row.",
            _labels,
            predicted=True,
        ),
        _mistake(
            shap,
            "next_label",
            0.5,
            "The first row is explained for class {next:d}, its label is {label:d}; labels start at 0.",
            _labels,
            shift=1,
        ),
        _mistake(
            shap,
            "probability",
            0.5,
            "The values of the first row sum to {total:.2f}: matches the probability; explain the score, without "
            "softmax.",
            _row_total,
            output=softmax,
        ),
        _mistake(
            shap,
            "loss",
            0.5,
            "The values of the first row sum to {total:.2f}: matches the cross-entropy loss; explain the score.",
            _row_total,
            output=lambda scores: -log_softmax(scores),
        ),
        _mistake(
            shap,
            "log_probability",
            0.5,
            "The values of the first row sum to {total:.2f}: matches the logarithm of the probability; explain the "
            "score.",
            _row_total,
            output=log_softmax,
        ),
        _mistake(
            shap,
            "negative",
            0.6,
            "The signs are the wrong way round: a value is the score with the column minus the one without it. The "
            "first row sums to {total:.2f}.",
            _row_total,
            share=_negative,
        ),
        _mistake(
            shap,
            "taken_away",
            0.4,
            "The values of the first row sum to {total:.2f}: each column is only taken away from the whole row. "
            "Average over all orders in which the columns can join.",
            _row_total,
            share=_taken_away,
        ),
        _mistake(
            shap,
            "put_in",
            0.4,
            "The values of the first row sum to {total:.2f}: each column only joins the empty coalition. Average over "
            "all orders in which the columns can join.",
            _row_total,
            share=_put_in,
        ),
        _mistake(
            shap,
            "coalitions_alike",
            0.6,
            "The values of the first row sum to {total:.2f}: all coalitions have the same weight. It is "
            "|S|! (D - |S| - 1)! / D!, or average over orders.",
            _row_total,
            share=_all_alike,
        ),
        Mistake(
            "gradient_times_input",
            "The values of the first row sum to {total:.2f}: this is the gradient times the row, no Shapley value. Ask "
            "the network about coalitions.",
            0.2,
            _gradient_times_input,
            _row_total,
        ),
    ],
}


# -- what every right answer has -------------------------------------------------------------------------------------


def _additive(inputs: Arrays, outputs: Arrays, reference: Arrays) -> Verdict:
    ours, right = outputs["values"], reference["values"]
    missing = np.abs(ours.sum(1) - right.sum(1))
    row = int(missing.argmax())
    holds = missing.mean() <= 0.002 * np.abs(right).sum(1).mean()
    return Verdict(bool(holds), {"row": row, "total": float(ours[row].sum())})


def _dummy(inputs: Arrays, outputs: Arrays, reference: Arrays) -> Verdict:
    ours, right = np.abs(outputs["values"]), np.abs(reference["values"])
    unused = right.max(0) <= 1e-9 * right.max()
    found = float(ours[:, unused].max(initial=0.0))
    return Verdict(found <= 0.01 * float(right.max()), {"value": found})


def _ordered(inputs: Arrays, outputs: Arrays, reference: Arrays) -> Verdict:
    pairs = list(zip(outputs["values"], reference["values"], strict=True))
    found = np.array([_rank_correlation(ours, right) for ours, right in pairs])
    return Verdict(float(found.mean()) >= 0.9, {"row": int(found.argmin()), "correlation": float(found.mean())})


def _rank_correlation(ours: Array, right: Array) -> float:
    if np.ptp(ours) == 0:
        return 0.0
    a, b = (np.argsort(np.argsort(values)).astype(np.float64) for values in (ours, right))
    return float(np.corrcoef(a, b)[0, 1])


PROPERTIES: dict[str, list[Property]] = {
    "shap_values": [
        Property(
            "additivity",
            "The values of row {row:d} sum to {total:.2f}, which is not its score minus the mean score of the "
            "background: call eval(), and average the scores over all rows of the background.",
            0.4,
            _additive,
        ),
        Property(
            "dummy",
            "A column that the network does not use gets {value:.2g} and not 0: call eval(), and compare the same row "
            "with and without the column.",
            0.25,
            _dummy,
        ),
        Property(
            "order",
            "The values are not in the order of the exact ones, least so in row {row:d} (rank correlation "
            "{correlation:.2f} on average): average over more orders, or over all coalitions.",
            0.35,
            _ordered,
        ),
    ],
}
