"""Parameters, targets, layers and filters that do not exist."""

from __future__ import annotations

from typing import Any

from ..frameworks import ANY
from .case import BASE, ONE, ONLY_SALIENCY, TRAINED, Case


def lime(**params: Any) -> dict[str, Any]:
    small = {"samples": 20, "segment_options": {"n_segments": 8, "compactness": 10.0}}
    task = {"lime": small | params, "expected_gradients": None, "partition_shap": None}
    return {"backend": ANY, "model": TRAINED, "data": ONE, "lime_shap": task}


def shap(method: str, **params: Any) -> dict[str, Any]:
    task = {"lime": None, "expected_gradients": None, "partition_shap": None} | {method: params}
    return {"backend": ANY, "model": TRAINED, "data": ONE, "lime_shap": task}


def maps(**keys: Any) -> dict[str, Any]:
    return {"backend": ANY, "model": TRAINED, "data": ONE, "feature_maps": {"visualisation": None} | keys}


def gradients(**keys: Any) -> dict[str, Any]:
    return BASE | {"saliency": ONLY_SALIENCY | keys}


METHODS = [
    Case(
        "unknown parameter",
        "'smoothgrad' has no parameter 'sample'",
        "Did you mean 'samples'?",
        gradients(smoothgrad={"sample": 3}),
    ),
    Case("no samples", "samples=0", "Pass samples=1 or more", gradients(smoothgrad={"samples": 0})),
    Case("samples as text", "samples='1e3'", "Pass samples=1 or more", gradients(smoothgrad={"samples": "1e3"})),
    Case("negative noise", "sigma=-1", "Pass sigma=0 or more", gradients(smoothgrad={"sigma": -1})),
    Case(
        "unknown aggregate",
        "aggregate='median'",
        "Choose one of: mean, absolute",
        gradients(smoothgrad={"aggregate": "median"}),
    ),
    Case("no batch in a method", "batch_size=0", "Use a number", gradients(smoothgrad={"batch_size": 0})),
    Case("no steps", "steps=-3", "Pass steps=1 or more", gradients(integrated_gradients={"steps": -3})),
    Case(
        "unknown rule",
        "rule='simpson'",
        "Choose one of: gauss_legendre",
        gradients(integrated_gradients={"rule": "simpson"}),
    ),
    Case(
        "baseline as text",
        "baseline 'white'",
        "Choose one of: blur",
        gradients(integrated_gradients={"baseline": "white"}),
    ),
    Case(
        "unknown quantity in a method",
        "of='margin'",
        "Choose one of: logit",
        gradients(integrated_gradients={"of": "margin"}),
    ),
    Case("a list of targets", "'saliency.target' is [1, 2]", "'label' or 'predicted'", gradients(target=[1, 2])),
    Case("target out of range", "Target 11 does not exist", "from 0 to 10", gradients(target=11)),
    Case("unknown segmentation", "segments='watershed'", "Choose one of: slic", lime(segments="watershed")),
    Case("segmentation as a list", "segments=['slic']", "Choose one of: slic", lime(segments=["slic"])),
    Case(
        "unknown option of SLIC",
        "'slic' has no option 'n_segment'",
        "n_segments",
        lime(segment_options={"n_segment": 3}),
    ),
    Case(
        "SLIC of text", "segmentation 'slic' failed", "Check its options", lime(segment_options={"n_segments": "many"})
    ),
    Case("segment options as a number", "segment_options=5", "mapping", lime(segment_options=5)),
    Case(
        "a single superpixel",
        "a single superpixel",
        "more or smaller segments",
        lime(segments="grid", segment_options={"cells": 1}),
    ),
    Case("a grid finer than pixels", "cells=64", "Pass 1 to 32", lime(segments="grid", segment_options={"cells": 64})),
    Case("hide with a word", "hide_colour='red'", "number", lime(hide_colour="red")),
    Case("unknown mask", "mask='fog'", "blur(16,16)", shap("partition_shap", mask="fog")),
    Case("a mask without width", "mask='blur(0,0)'", "blur(16,16)", shap("partition_shap", mask="blur(0,0)")),
    Case("no evaluations", "max_evaluations=0", "Pass max_evaluations=1", shap("partition_shap", max_evaluations=0)),
    Case(
        "background as a parameter",
        "no parameter 'background'",
        "Choose one of",
        shap("expected_gradients", background=0),
    ),
    Case(
        "no background pictures",
        "'lime_shap.background_pictures' is 0",
        "greater than 0",
        args=("--set", "lime_shap.background_pictures=0"),
    ),
    Case(
        "no method left",
        "lime_shap has no method left",
        "Keep one of",
        lime() | {"lime_shap": dict.fromkeys(("lime", "expected_gradients", "partition_shap"))},
    ),
]

LAYERS = [
    Case("unknown layer", "no layer 'stage1.cnv'", "Did you mean 'stage1.conv'?", maps(layers=["stage1.cnv"])),
    Case(
        "a layer without maps",
        "Layer 'head.fc' has no two-dimensional maps",
        "Choose a convolution",
        maps(layers=["head.fc"]),
    ),
    Case(
        "filter out of range",
        "Filter 4 does not exist: layer 'stage1.conv' has 4",
        "Use 0 to 3",
        maps(layers=["stage1.conv"], filters=[0, 4]),
    ),
    Case("no layers", "'feature_maps.layers' is []", "not empty", maps(layers=[])),
    Case("no filters", "'feature_maps.filters' is []", "not empty", maps(filters=[])),
    Case(
        "filter to visualise out of range",
        "Filter 99 does not exist",
        "Use 0 to 7",
        maps(filters=[0], visualisation={"layer": "stage2.conv", "filters": [99]}),
    ),
]

CASES = [*METHODS, *LAYERS]
