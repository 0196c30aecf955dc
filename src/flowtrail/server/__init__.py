"""The HTTP server: the only floor that is async, and the processes it runs.

Requests come in through `gate`, are answered by one router a topic, and call down through a bounded pool of threads.
"""
