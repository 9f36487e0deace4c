"""From a template notebook to a snapshot: parameters, the kernel, the author's cells, publishing."""
