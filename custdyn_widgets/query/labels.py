"""The labels of rows that have no name of their own."""

NO_VALUE = "(none)"  # the label for clients without a value, and the filter for them
# The labels for anything in no package, or in none of the chosen packages.
NO_PACKAGE, OTHER_PACKAGES = "(no package)", "(other)"
