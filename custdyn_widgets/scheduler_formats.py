"""Output formats for jupyter-scheduler's dialog, which otherwise offers only Notebook and HTML.

This module is loaded only if `jupyter_server_config.py` contains:

    c.SchedulerApp.environment_manager_class = "custdyn_widgets.scheduler_formats.EnvironmentManager"
"""

from __future__ import annotations

from jupyter_scheduler.environments import CondaEnvironmentManager
from jupyter_scheduler.models import RuntimeEnvironment

_FORMAT, _LABEL = "custdyn_widgets.nbconvert_exporter.html", "Customer Dynamics page"


class EnvironmentManager(CondaEnvironmentManager):
    """The default environments, with the format of `nbconvert_exporter` added."""

    def list_environments(self) -> list[RuntimeEnvironment]:
        """Return the environments in which notebooks can be run."""
        found: list[RuntimeEnvironment] = super().list_environments()
        for environment in found:
            environment.output_formats = [*environment.output_formats, _FORMAT]
        return found

    def output_formats_mapping(self) -> dict[str, str]:
        """Return the labels of all formats."""
        return {**super().output_formats_mapping(), _FORMAT: _LABEL}
