"""The nbconvert exporter `customer_dynamics`: `jupyter nbconvert --to customer_dynamics run.ipynb`.

JupyterLab also offers it under File > Save and Export Notebook As. It is loaded only when a notebook is
exported, because it loads nbconvert.
"""

from __future__ import annotations

from typing import Any

from nbconvert.exporters import Exporter
from nbconvert.preprocessors import ExecutePreprocessor
from nbconvert.utils.exceptions import ConversionException
from traitlets import default

from custdyn_widgets import settings
from custdyn_widgets.errors import CustDynError


class CustomerDynamicsExporter(Exporter):
    """Exports an executed notebook as a single inert HTML page; see `notebook.notebook_page`.

    Of nbconvert's preprocessors, only those that remove cells or outputs are available.
    """

    output_mimetype = "text/html"
    export_from_notebook = "Customer Dynamics page"

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    @default("default_preprocessors")
    def _default_preprocessors_default(self) -> list[str]:
        names = ("TagRemovePreprocessor", "RegexRemovePreprocessor", "ClearOutputPreprocessor")
        return [f"nbconvert.preprocessors.{name}" for name in names]

    def from_notebook_node(  # type: ignore[override]  # nbconvert declares its base class's return type
        self, nb: Any, resources: Any = None, **kw: Any
    ) -> tuple[str, Any]:
        """Return an executed notebook's page and nbconvert's resources.

        Raises
        ------
        ConversionException
            If the page cannot be created. The message says why.
        """
        from custdyn_widgets.notebook import notebook_page

        if self.config.ExecutePreprocessor.enabled is True or any(
            isinstance(one, ExecutePreprocessor) for one in self._preprocessors
        ):
            raise ConversionException(
                "The customer_dynamics exporter never runs a notebook. Remove --execute and run the "
                "notebook first, for example with papermill."
            )
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        title = str(resources.get("metadata", {}).get("name") or "Notebook")
        try:
            page = notebook_page(nb, title, settings.load())
        except CustDynError as error:
            raise ConversionException(error.message) from error
        resources["output_extension"] = ".html"
        return page.decode(), resources


# jupyter-scheduler uses the name of a format as the file extension, and nbconvert finds an exporter by its
# dotted name. A second entry point would add a second item to JupyterLab's menu.
html = CustomerDynamicsExporter
