"""One module per tool: its verdict, its findings, and the facts beside its output."""
