"""The REST interface's common part: who asks, what may be asked, how refusals, pages and versions of things are said.

Every module here but `urls` and `views` imports no app, so that each app's `api.py` may use it.
"""
