"""Metrics of training curves: their units, and the style of their lines."""

import re
from collections.abc import Sequence
from typing import Any

_PART = re.compile("(train|valid|fold)_")
_LAYER = re.compile(r"_(\d+|out)$")
# held-out rows are solid and training rows dashed, whatever else is drawn
_HELD_OUT, _TRAINED, _SECOND_HELD_OUT = "-", "--", "-."
_STYLES: tuple[Any, ...] = (
    *("-", "--", ":", "-."),
    *((0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)), (0, (3, 1, 3, 3))),
)


def unit_of(metric: str) -> str:
    """Return what a metric measures, such as ``loss`` or ``dead`` (of ``dead_2``).

    Metrics of one unit share an axis.
    """
    return _LAYER.sub("", _PART.sub("", metric, count=1))


def line_styles_of(metrics: Sequence[str], known: Sequence[str]) -> dict[str, Any]:
    """Return the style of each metric's lines, in whatever order metrics are given.

    Parameters
    ----------
    metrics : sequence of str
        What is drawn.
    known : sequence of str
        The columns of the history in their order; it counts for metrics of layers.
    """
    if len(metrics) == 1:
        return {metrics[0]: "-"}
    has_fold = any(name.startswith("fold_") for name in metrics)
    of_part = {
        "fold": _HELD_OUT,
        "train": _TRAINED,
        "valid": _SECOND_HELD_OUT if has_fold else _HELD_OUT,
    }
    styles: dict[str, Any] = {}
    for unit in dict.fromkeys(map(unit_of, metrics)):
        names = [x for x in known if x in metrics and unit_of(x) == unit]
        parts = {name: _PART.match(name) for name in names}
        own = {name: of_part[m[1]] for name, m in parts.items() if m is not None}
        free = [style for style in _STYLES if style not in own.values()]
        others = [name for name in names if name not in own]
        own |= {name: free[i % len(free)] for i, name in enumerate(others)}
        styles |= own
    return styles
