"""Charts of a report: presets, user-defined charts, and inert SVG."""
