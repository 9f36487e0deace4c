"""The mart: billing data in the form of the specification, checked and made compact."""
