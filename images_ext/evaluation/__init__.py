"""The jobs behind the scripts: runs, figures, reports, measurements."""
