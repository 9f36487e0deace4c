"""Charts of a report: presets, charts that a person composes, and inert SVG."""
