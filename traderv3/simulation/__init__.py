"""The whole trader and the whole exchange in one process on a virtual clock, everything driven by one seed.

    world        one seed: assembles trader, exchange, network, disk and consoles, lets them live, judges them
    plan         which faults happen when, drawn from the seed as data; `strike` carries them out
    network      byte streams in memory that are late, torn, silent or cut; `http` the same for REST
    venue        the embedded exchange as a child of the trader's supervisor, in this process
    witness      what the exchange really held at each sequence number, against what the trader believes
    account      the same for trading: what the exchange holds of our account, what goes on the wire
    venture      how a world trades: strategy (`restless` is one of chance), limits, money
    invariants   everything else that must be true at each step, and what is due in the end
    disk         journal, spill and database that are slow, full or away
    consoles     browsers that come, stop reading and vanish; the stand-in of the web server
    trace, story what happened, byte for byte the same for one seed; and as a person reads it

Real: coordinator, supervisor, every actor, transport, protocol, books, bus, state machine, storage, hub, exchange server.
Replaced: sockets, the web server's and the child process; threads, whose work is done on the spot; the loop watchdog.
Never: a wall clock, a thread, a real socket, or chance that is not the seed's.
"""
