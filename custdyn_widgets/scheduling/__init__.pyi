from . import crontab
from .job import dispatch
from .records import Run, Runs
from .run_request import TIMEOUT_S, RunRequest

__all__ = ["TIMEOUT_S", "Run", "RunRequest", "Runs", "crontab", "dispatch"]
