"""Opt-in, as `make test-browser`: a browser is no Python package."""

import os

collect_ignore = [] if os.environ.get("REV2FWD_BROWSER") else ["test_report_page.py", "test_viewer.py"]
