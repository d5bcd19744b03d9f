"""The title of a page: what its lines are, and what the colours mean."""

import html
import math

from skact.visualization.hiplot_page import PagePlan

_LINES = {
    "candidate": "A line is a candidate.",
    "fold": "A line is a candidate on a fold.",
    "epoch": "A line above is a fit; a line below, one of its epochs.",
}
_MAX_WORDS = 40  # with a colour in the title
_MAX_NAMES = 30  # of columns without an axis
# HiPlot's own colours for numbers, from low to high
_VIRIDIS = "#440154, #3b528b, #21918c, #5ec962, #fde725"

STYLE = f"""
.skact-title {{ margin: 0; padding: 6px 12px; background: #fff; color: #333;
  font: 14px/1.6 sans-serif }}
.skact-title i {{ display: inline-block; width: 11px; height: 11px;
  margin: 0 4px 0 9px }}
.skact-title i.ramp {{ width: 90px; margin: 0 6px;
  background: linear-gradient(to right, {_VIRIDIS}) }}
.skact-title small {{ color: #666 }}
"""


def title_of(plan: PagePlan) -> str:
    """Return the title as HTML."""
    parts = []
    if plan.axes:
        has_curves = plan.curves is not None or plan.level != "epoch"
        parts.append(_LINES[plan.level] if has_curves else "A line is an epoch.")
    meaning = _meaning_of_colors(plan)
    if meaning:
        name = html.escape(plan.color)
        parts.append(f"Colours: <b>{name}</b>{meaning}")
    if parts:
        parts.append("<small>&nbsp; Right-click a name for others.</small>")
    if plan.left_out:
        names = ", ".join(map(html.escape, plan.left_out[:_MAX_NAMES]))
        more = len(plan.left_out) - _MAX_NAMES
        names += f" and {more} more" if more > 0 else ""
        parts.append(f"<br><small>Only in the table: {names}.</small>")
    return f'<p class="skact-title">{" ".join(parts)}</p>' if parts else ""


def _meaning_of_colors(plan: PagePlan) -> str:
    """Return words with their colours, or a ramp between two numbers."""
    cells = {row[plan.color] for row in plan.rows if plan.color in row}
    if len(cells) < 2:
        return ""
    if plan.types[plan.color] == "categorical":
        words = list(plan.colors)
        keys = [
            f'<i style="background: {plan.colors[word]}"></i>{html.escape(word)}'
            for word in words[:_MAX_WORDS]
        ]
        more = len(words) - _MAX_WORDS
        return "".join(keys) + (f" and {more} more" if more > 0 else "")
    numbers = [x for x in cells if isinstance(x, int | float) and math.isfinite(x)]
    scale = " (log)" if plan.types[plan.color] == "numericlog" else ""
    return f' {min(numbers):g} <i class="ramp"></i>{max(numbers):g}{scale}'
