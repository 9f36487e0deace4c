from . import crontab
from .alerts import run_lines
from .due import parse_delay
from .job import dispatch
from .records import Run, Runs
from .run_request import TIMEOUT_S, RunRequest

__all__ = ["TIMEOUT_S", "Run", "RunRequest", "Runs", "crontab", "dispatch", "parse_delay", "run_lines"]
