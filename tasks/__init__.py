"""The steps of a run as Prefect tasks: names, timeouts and tags over the domain, nothing clever.

Tasks name a run by its id; the session that this process holds for it is looked up there, so
that the UI shows short parameters and nothing large is serialised.
"""
