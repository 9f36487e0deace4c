from . import crontab, timers
from .alerts import run_lines
from .checking import RunCheck, check_runs
from .due import parse_delay
from .job import dispatch
from .records import Runs
from .resend import resend
from .run_record import Run
from .run_request import TIMEOUT_S, RunRequest

__all__ = [
    "TIMEOUT_S",
    "Run",
    "RunCheck",
    "RunRequest",
    "Runs",
    "check_runs",
    "crontab",
    "dispatch",
    "parse_delay",
    "resend",
    "run_lines",
    "timers",
]
