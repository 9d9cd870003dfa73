"""`manage.py up`: starts everything on this machine, keeps it running, and leaves nothing behind.

It is a thin process (no Django, about 20 MB) that owns four kinds of children: a private Redis-protocol server, the web
process, the Celery workers and beat. Production uses a container for each instead; see `compose.yaml`.
"""
