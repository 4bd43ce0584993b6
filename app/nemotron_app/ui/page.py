"""Which widget stands where?

A server puts the page up with `nemotron_app.ui.mount.mount_page(app, Site(api_url=...))`, after its own
routes; that serves the static files as well.
"""
