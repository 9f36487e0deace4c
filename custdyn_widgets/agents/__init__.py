"""The MCP server behind `custdyn mcp`: it gives agents reports that can be verified by following a link."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
