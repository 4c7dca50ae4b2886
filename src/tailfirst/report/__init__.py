"""The round report: one self-contained HTML page per sealed round, drawn from files only."""
