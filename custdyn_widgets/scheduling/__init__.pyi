from . import crontab
from .alerts import run_lines
from .job import dispatch
from .order import TIMEOUT_S, Order
from .records import Run, Runs

__all__ = ["TIMEOUT_S", "Order", "Run", "Runs", "crontab", "dispatch", "run_lines"]
