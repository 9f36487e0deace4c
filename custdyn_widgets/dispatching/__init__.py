"""A saved query's run without a person: frozen, sent, recorded, and told of when it failed.

`dispatch` goes through it in order: the logical time (`order`), the reports (`making`), the mails
(`sending`), old snapshots (`retention`), the record. What goes wrong ends in words in the record, in a letter
to those who are told of failures, and in the exit code.
"""

from custdyn_widgets.dispatching.dispatch import dispatch
from custdyn_widgets.dispatching.order import Order

__all__ = ["Order", "dispatch"]
