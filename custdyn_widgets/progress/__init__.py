"""Progress: who is told how far the reading of a source is."""

from custdyn_widgets.progress.bar import ProgressBar
from custdyn_widgets.progress.listener import Listener, note, step, told_to

__all__ = ["Listener", "ProgressBar", "note", "step", "told_to"]
