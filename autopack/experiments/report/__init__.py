"""An analysis as people read it: tables, plots, Markdown and one HTML page."""
