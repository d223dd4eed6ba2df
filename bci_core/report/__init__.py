"""From a session folder to figures and a page."""
