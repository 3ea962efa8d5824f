"""What survives the process: the raw journal, and the database of what it meant. Both sit behind bounded queues.

    loop ─ journal ─ journal_queue ─►  journal_writer ─ segments      one thread; `journal_reader` reads it back
    bus  ─ recorder ─ write_queue ─►  database (sqlite, postgres)    one worker; `spill` while the database is away
                                       archive, history, export      what reads the database

The journal keeps bytes and forgets the oldest; the database keeps facts. Neither ever makes the feed wait: what a queue
cannot hold is dropped, counted, and said where it is missing.
"""
