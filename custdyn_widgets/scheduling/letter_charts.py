"""Images of a frozen report's charts for an email."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.mail import Picture
from custdyn_widgets.snapshots import Store

MAX_CHARTS, MAX_BYTES = 4, 600_000  # limits for all charts in an email, because every recipient gets a copy
_CHART = re.compile(r"chart-([0-9]+)-.*\.svg")
_LABEL = re.compile('aria-label="([^"]*)"')


def letter_charts(store: Store, snapshot_id: str) -> tuple[Picture, ...]:
    """Return images of a snapshot's first charts, as frozen; charts that cannot be drawn are left out.

    Parameters
    ----------
    store
        The store.
    snapshot_id
        The snapshot's id.
    """
    pictures: list[Picture] = []
    left = MAX_BYTES
    for number, name in _names(store, snapshot_id)[:MAX_CHARTS]:
        picture = _picture(store, snapshot_id, number, name)
        if picture is None:
            continue
        left -= len(picture.data)
        if left < 0:
            break
        pictures.append(picture)
    return tuple(pictures)


def _names(store: Store, snapshot_id: str) -> list[tuple[int, str]]:
    """Return the charts' numbers and file names, in page order."""
    try:
        files = store.manifest(snapshot_id)["files"]
    except CustDynError:
        return []
    found = (_CHART.fullmatch(name) for name in files)
    return sorted((int(match[1]), match[0]) for match in found if match)


@lru_cache(maxsize=16)  # several emails may contain the same report
def _drawn(svg: str) -> bytes:
    from custdyn_widgets.render import chart_png  # imported late: loads a JavaScript engine

    return chart_png(svg)


def _picture(store: Store, snapshot_id: str, number: int, name: str) -> Picture | None:
    try:
        svg = store.read(snapshot_id, name).decode()
        data = _drawn(svg)
    except (CustDynError, ValueError):
        return None
    label = _LABEL.search(svg)
    what = html.unescape(label[1]) if label else "Chart"
    return Picture(f"chart-{number}", f"Chart: {what}. Its numbers are in the report.", data)
