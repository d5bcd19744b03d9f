"""Serve saved results in HiPlot's web server, as addresses like ``skact://digits``."""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import hiplot
from hiplot.fetchers import NoFetcherFound

from skact.results.schema import check_level
from skact.results.storage import RESULTS_FILE, load_results
from skact.visualization.hiplot_experiment import Experiment, to_hiplot

_SCHEME = "skact://"
_MOST_NAMES = 20  # in a message


def hiplot_fetcher(root: str | os.PathLike[str]) -> Callable[[str], Experiment]:
    """Let HiPlot's web server open the results that `save_results` wrote in a folder.

    HiPlot's own fetchers open every ``.csv`` and ``.json`` file of the computer, for
    everybody who reaches the server. Give ``hiplot.server.run_server`` a list of only
    this fetcher: it reads only saved results below `root`.

    Parameters
    ----------
    root : str or path
        The folder that contains the folders of :func:`~skact.save_results`.

    Returns
    -------
    callable
        A function from ``skact://<folder below root>`` to an experiment. With
        ``?level=fold`` at the end, a line is a fold; with ``?level=epoch``, an epoch.
        Other addresses raise HiPlot's ``ExperimentFetcherDoesntApply``; an address of
        nothing raises its ``NoFetcherFound``, which the page shows, with what can be
        opened.

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
        try:
            return _open(base, uri)
        except (OSError, ValueError) as error:
            # the only kind of error that HiPlot shows in the browser; it shows the URI
            raise NoFetcherFound(
                f"{uri!r}: {error} {_describe_folders(base)}"
            ) from error

    return fetch


def _open(base: Path, uri: str) -> Experiment:
    parts = urlsplit(uri)
    folder = (base / unquote(parts.netloc + parts.path).lstrip("/")).resolve()
    if not folder.is_relative_to(base):
        raise ValueError(f"{uri!r} leads out of the folder that is served.")
    query = parse_qs(parts.query, keep_blank_values=True)
    unknown = [name for name in query if name != "level"]
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r}: after ? may stand level=.")
    level = query.get("level", ["candidate"])[-1]
    check_level(level)
    try:
        return to_hiplot(load_results(folder), level)
    except FileNotFoundError:  # its message would tell where the folder is
        raise FileNotFoundError("there are no saved results.") from None


def _describe_folders(base: Path) -> str:
    """Say which addresses can be opened."""
    folders = sorted(path.parent for path in base.rglob(RESULTS_FILE))
    paths = [path.relative_to(base).as_posix() for path in folders]
    names = [_SCHEME + path.replace("?", "%3F").replace("#", "%23") for path in paths]
    if not names:
        return "Nothing can be opened: the served folder has no saved results."
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"These can be opened: {', '.join(names[:_MOST_NAMES])}{more}."
