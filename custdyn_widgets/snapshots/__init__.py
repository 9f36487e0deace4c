"""The snapshot store: finished files under ids that vouch for every byte. No pandas here."""

from custdyn_widgets.snapshots.store import Problem, Store

__all__ = ["Problem", "Store"]
