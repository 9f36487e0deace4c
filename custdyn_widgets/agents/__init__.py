"""The MCP server behind `custdyn mcp`, which gives agents reports that people can verify at a link."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
