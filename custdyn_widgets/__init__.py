"""Customer Dynamics in Jupyter."""
