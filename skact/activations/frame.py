"""The catalogue of activations as a table."""

import pandas as pd

from skact.activations.catalogue import get_activation, list_activations


def activations_frame() -> pd.DataFrame:
    """Return all facts about each activation, built in or registered.

    Returns
    -------
    DataFrame of shape (n_activations, n_columns)
        ``name``; its properties: ``low`` and ``high``, the ends of its range,
        ``bounded``, ``monotonic``, ``smooth``, ``zero_centred``, ``elementwise``,
        ``stochastic``, ``gain`` (of the weight initialisation); ``parameters`` with
        their defaults, ``learnable``, ``aliases``, ``formula``, ``derivative``,
        ``good``, ``bad``, ``paper``. :class:`~skact.Activation` defines each of them.
        Facts that a registered activation leaves out are missing values.

    Examples
    --------
    >>> from skact import activations_frame
    >>> frame = activations_frame().set_index("name")
    >>> print(frame.loc["relu", "formula"], frame.loc["relu", "gain"])
    max(0, x) 1.41421
    """
    rows = []
    for name in list_activations():
        entry = get_activation(name)
        ends = None if entry.range is None else entry.range()
        defaults = [f"{key}={value!r}" for key, value in entry.parameters.items()]
        rows.append(
            {
                "name": entry.name,
                "low": None if ends is None else float(ends.low),
                "high": None if ends is None else float(ends.high),
                "bounded": entry.bounded,
                "monotonic": entry.monotonic,
                "smooth": entry.smooth,
                "zero_centred": entry.zero_centred,
                "elementwise": entry.elementwise,
                "stochastic": entry.stochastic,
                "gain": entry.gain,
                "parameters": ", ".join(defaults),
                "learnable": ", ".join(entry.learnable),
                "aliases": ", ".join(entry.aliases),
                "formula": entry.formula,
                "derivative": entry.derivative_formula,
                "good": entry.good,
                "bad": entry.bad,
                "paper": entry.paper,
            }
        )
    frame = pd.DataFrame(rows)
    flags = ["bounded", "monotonic", "smooth", "zero_centred"]
    unknown = [flag for flag in flags if frame[flag].isna().any()]
    return frame.astype(dict.fromkeys(unknown, "boolean"))
