"""What ran on its own: a record of each run of a saved query, and the lock that lets only one run at a time.

    records/<saved query>/<began>-<random>.json    a record, always whole
    locks/<saved query>.lock                       held by the run that is going on

Records hold recipients' addresses, so their folder is its owner's alone and lies beside no snapshot, which
others read.
"""

from custdyn_widgets.runs.locks import RunLock, is_going_on
from custdyn_widgets.runs.records import Outcome, Run, Runs

__all__ = ["Outcome", "Run", "RunLock", "Runs", "is_going_on"]
