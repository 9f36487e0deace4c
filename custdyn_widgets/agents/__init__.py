"""The MCP server of `custdyn mcp`: reports for agents, which people can check at a link."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
