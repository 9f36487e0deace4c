"""The end of a run: reporting it, and waiting for the mail server if something could not be sent."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from datetime import datetime

from custdyn_widgets.errors import RunError
from custdyn_widgets.notebook import terminated_as_exit
from custdyn_widgets.scheduling.failure import (
    describe_error,
    post_event,
    report_failure,
    send_unsent_failures,
)
from custdyn_widgets.scheduling.locks import RunLock, mark_as_reported
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.run_record import SENDING
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.unsent import send_unsent, wait_and_send


def end_locked(recorder: Recorder, request: RunRequest, *, is_stopped: bool) -> None:
    """Report the run's end unless its report still has to be sent, and send what other runs left unsent."""
    run = recorder.run
    with recorder.lock.sending() if recorder.lock else contextlib.nullcontext():
        if is_stopped or not (recorder.is_recorded and run.waiting and run.where == SENDING):
            _report(recorder, request)
        if recorder.lock is None or is_stopped or recorder.run.waiting or recorder.run.failure_unsent:
            return  # the mail server was not available a moment ago
        if recorder.has_sent:
            send_unsent_failures(recorder)
        else:
            send_unsent(recorder)


def wait_unlocked(
    recorder: Recorder, request: RunRequest, sleep: Callable[[float], object]
) -> SystemExit | KeyboardInterrupt | None:
    """Wait for the mail server and send the rest; return the exception that stopped the process, if any."""
    try:
        with terminated_as_exit():
            wait_and_send(recorder, lambda: _report(recorder, request), sleep)
    except (SystemExit, KeyboardInterrupt) as stop:
        recorder.run = recorder.runs.read(recorder.run)
        recorder.say(f"The run was stopped ({_signal_name(stop)}) while it waited for the mail server.")
        with contextlib.suppress(RunError, OSError), RunLock(recorder.runs.folder, recorder.run.saved):
            recorder.run = recorder.runs.read(recorder.run)
            _report(recorder, request)
        return stop
    except (RunError, OSError) as error:  # another run holds the lock and sends what is left
        recorder.run = recorder.runs.read(recorder.run)
        recorder.say(describe_error(error))
    return None


def _report(recorder: Recorder, request: RunRequest) -> None:
    """Report the run's end and record the receipts.

    A failure that could not be recorded is reported only once for its scheduled time.
    """
    run = recorder.run
    if not run.problem:
        is_wanted = recorder.webhook is not None and recorder.webhook.events == "all"
        recorder.run = post_event(recorder, run, "run.succeeded") if is_wanted else run
    elif not run.was_reported:
        if request.is_once and run.logical_time and not recorder.is_recorded:
            at = int(datetime.fromisoformat(run.logical_time).timestamp())
            if mark_as_reported(recorder.runs.folder, run.saved, at):
                return
        recorder.run = report_failure(recorder, run, recorder.repeat_command, recorder.last_lines())
    if recorder.run is not run:
        recorder.write_final()


def _signal_name(stop: SystemExit | KeyboardInterrupt) -> str:
    code = stop.code if isinstance(stop, SystemExit) else 128 + signal.SIGINT
    number = code - 128 if isinstance(code, int) else 0
    return signal.Signals(number).name if number in set(signal.Signals) else "exit"


def describe_stop(stop: SystemExit | KeyboardInterrupt) -> str:
    """Describe the signal that stopped a run."""
    return f"The run was stopped ({_signal_name(stop)}). Emails that had not been sent yet will not be sent."
