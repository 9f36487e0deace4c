"""A saved query's run without a person: frozen, sent, recorded, and told of when it failed.

`dispatch` goes through it in order: the logical time (`order`), the reports (`making`), the mails
(`sending`), old snapshots (`retention`), the record. What goes wrong ends in words in the record, in a letter
to those who are told of failures, and in the exit code.
"""

from custdyn_widgets.dispatching.order import Order
from custdyn_widgets.dispatching.run import dispatch

__all__ = ["Order", "dispatch"]
