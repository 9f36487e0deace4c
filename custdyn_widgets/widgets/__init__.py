"""The query form in JupyterLab: what an analyst fills in, sees, draws, saves and shares."""
