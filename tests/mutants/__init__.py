"""Mutation testing: change the package in small ways, and see which changes no test notices."""
