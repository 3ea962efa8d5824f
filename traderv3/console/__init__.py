"""What people see and may do: one picture of the trader, told to every browser, and a gate for what they ask.

    messages      every struct that reaches a browser        desk        the room, assembled
    status        the one builder of the picture             broadcaster what changed, by the clock
    snapshots     the picture out of parts, live and past     hub         the numbered event log and its clients
    past          moments of it, to go back to                client      one browser's wishes and outbox
    lints         named rules and who breaks them             courier     outboxes to sockets (`wire`)
    commands      the gate; `verbs` what may be asked for     conversation one browser's requests
    web_server    Hypercorn behind our own `front_door`

The feed never waits for a browser: every client has a bounded outbox, and a client that does not read is let go.
"""
