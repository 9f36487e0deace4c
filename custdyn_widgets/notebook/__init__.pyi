from .kernel import terminated_as_exit
from .page import notebook_page
from .parameters import NAMES, query_from_parameters, source_from_parameters
from .run import run_notebook, run_template

__all__ = [
    "NAMES",
    "notebook_page",
    "query_from_parameters",
    "run_notebook",
    "run_template",
    "source_from_parameters",
    "terminated_as_exit",
]
