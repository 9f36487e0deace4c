from .server import serve_agents

__all__ = ["serve_agents"]
