"""The engine, which computes every number: it turns a query and a mart into a report."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
