"""Saved results in HiPlot's web server, by addresses such as ``skact://digits``."""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import hiplot

from skact.results.schema import check_level
from skact.results.storage import load_results
from skact.visualization.hiplot_experiment import Experiment, to_hiplot

_SCHEME = "skact://"


def hiplot_fetcher(root: str | os.PathLike[str]) -> Callable[[str], Experiment]:
    """Let HiPlot's web server open what `save_results` wrote below a folder.

    HiPlot's own fetchers open any file of yours that ends in ``.csv`` or ``.json``, for
    whoever reaches the server. Give ``hiplot.server.run_server`` a list of this one
    alone: it reads saved results only, and none outside of `root`.

    Parameters
    ----------
    root : str or path
        The folder with the folders of :func:`~skact.save_results`.

    Returns
    -------
    callable
        Turns ``skact://<folder below root>`` into an experiment; with ``?level=fold``
        at its end a line is a fold, with ``?level=epoch`` an epoch. For other addresses
        it raises HiPlot's ``ExperimentFetcherDoesntApply``.

    Examples
    --------
    >>> fetch = hiplot_fetcher("results")

    ``hiplot.server.run_server([fetch])`` serves it on 127.0.0.1, port 5005.
    """
    base = Path(root).resolve()

    def fetch(uri: str) -> Experiment:
        if not uri.startswith(_SCHEME):
            raise hiplot.ExperimentFetcherDoesntApply(
                f"{uri!r} is no address of saved results: they begin with {_SCHEME}"
            )
        parts = urlsplit(uri)
        folder = (base / unquote(parts.netloc + parts.path).lstrip("/")).resolve()
        if not folder.is_relative_to(base):
            raise ValueError(f"{uri!r} leads out of the folder that is served.")
        level = parse_qs(parts.query).get("level", ["candidate"])[-1]
        check_level(level)
        return to_hiplot(load_results(folder), level)

    return fetch
