"""Reporting progress to a listener while a source is read, and showing it as a bar."""

from custdyn_widgets.progress.bar import ProgressBar
from custdyn_widgets.progress.listener import Listener, note, part, report_to, step

__all__ = ["Listener", "ProgressBar", "note", "part", "report_to", "step"]
