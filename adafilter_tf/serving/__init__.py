"""A finished run over HTTP: TensorFlow Serving's REST calls, and a page to try it on.

The web frameworks are optional packages, so they are imported where they are used.
"""
