"""LIME's and SHAP's interactive pages, each one file that asks the network for nothing.

Names of features and classes come from data, so every ``<`` in the data is written as an escape: no name can end the
script or start a tag. The policy in the head forbids all requests, which makes a page safe for ``<iframe srcdoc>``
with ``sandbox="allow-scripts"``.
"""

from __future__ import annotations

import copy
import html
import json
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import MethodError

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:; font-src data:">
<title>{title}</title>
<script>{library}</script>
</head><body>
<div id="{root}" class="{kind}"></div>
<script>{code}</script>
</body></html>
"""


def lime_page(explanation: Any, target: int, title: str, most: int | None = None) -> str:
    """Write LIME's own page: probabilities, weights, and the table of the row's values.

    Parameters
    ----------
    explanation : lime.explanation.Explanation
        Of a table.
    target : int
        A class that was explained.
    title : str
        The page's title.
    most : int, optional
        How many of the heaviest rules to show; all if left out.

    Returns
    -------
    str
        A whole HTML document.

    Raises
    ------
    MethodError
        The installed LIME writes a page of another form.
    """
    explanation = copy.copy(explanation)
    explanation.local_exp = {target: explanation.local_exp[target][:most]}
    explanation.random_state = 0  # names the page's elements; without it LIME draws from NumPy's global generator
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed file.*bundle.js", ResourceWarning)
        page = explanation.as_html(labels=[target], show_table=True, show_all=False)
    # No name from the data stands before the first of these marks, and LIME's library holds none of them.
    library, found_head, body = page.partition("</script></head><body>")
    element, found_code, code = body.partition("<script>")
    code, found_end, _ = code.rpartition("</script>")
    if not (found_head and found_code and found_end):
        raise MethodError("LIME's page has an unknown form.", "Run: pip install lime==0.2.0.1")
    return _PAGE.format(
        title=html.escape(title),
        library=library.partition("<script>")[2],
        root=element.partition('id="')[2].partition('"')[0],
        kind="lime top_div",
        code=code.replace("<", r"\u003c"),
    )


def force_page(
    base: float,
    values: np.ndarray,
    features: np.ndarray,
    feature_names: Sequence[str],
    output: str = "f(x)",
    title: str = "SHAP force plot",
) -> str:
    """Write SHAP's interactive force plot: of one row, or of all rows side by side.

    Parameters
    ----------
    base : float
        Expected output.
    values, features : (d,) or (n, d) float
        SHAP values and feature values.
    feature_names : sequence of str
        d names.
    output : str
        What the axis shows.
    title : str
        The page's title.

    Returns
    -------
    str
        A whole HTML document.
    """
    import shap

    plot = shap.force_plot(base, values, features, feature_names=list(feature_names), out_names=output)
    data = json.dumps({**plot.data, "labelMargin": 20}).replace("<", r"\u003c")
    return _PAGE.format(
        title=html.escape(title),
        library=shap.getjs().partition(">")[2].rpartition("</script>")[0],
        root="force",
        kind="shap",
        code=f"SHAP.ReactDom.render(SHAP.React.createElement(SHAP.{type(plot).__name__}, {data}), "
        "document.getElementById('force'));",
    )
