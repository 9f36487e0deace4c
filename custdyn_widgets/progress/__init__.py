"""Reporting the progress of reading a source to a listener, and showing it as a bar."""

from custdyn_widgets.progress.bar import ProgressBar
from custdyn_widgets.progress.listener import Listener, note, part, report_to, step

__all__ = ["Listener", "ProgressBar", "note", "part", "report_to", "step"]
