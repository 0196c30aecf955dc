"""Libraries that a host uses anyway, recorded: one module each, which loads its library when it is imported or used.

Nothing here raises into the host: what goes wrong with the recording is said once, through `logging`, and the host's
own call goes on as if nobody recorded it.
"""
