"""The console: web pages, sign-in and Temporal's own Web UI, beside the API that they read."""
