from .app import CustomerDynamics

__all__ = ["CustomerDynamics"]
