from . import crontab
from .alerts import run_lines
from .due import parse_delay
from .job import dispatch
from .records import Run, Runs
from .resend import resend
from .run_request import TIMEOUT_S, RunRequest

__all__ = [
    "TIMEOUT_S",
    "Run",
    "RunRequest",
    "Runs",
    "crontab",
    "dispatch",
    "parse_delay",
    "resend",
    "run_lines",
]
