"""News: scored headlines as rows, and as series beside the bars. Importing this costs nothing heavy."""
