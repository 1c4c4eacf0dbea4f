"""Pictures and reports. One self-contained page, no request to anywhere, no script needed."""
