"""A report as a tagged PDF: its layout on paper, its template, and the program that typesets it."""
