"""Actors in general, on Trio: supervisor, mailboxes, event bus, state machine, watchdog.

Nothing in this room knows what is traded or where. An actor is one coroutine function that takes a `Lifeline`; who
starts it, when it is started again and when that is given up is data (`ChildSpec`, `SupervisorSpec`).
"""
