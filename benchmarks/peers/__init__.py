"""What others would do with the same bytes: each peer is a process in an environment of its own (`environment`).

A peer takes jobs and gives answers, a line of JSON each (`work`). It uses a library as that library's documentation shows;
where the library is not a Kalshi client, decode, sequence check and book are ours (`work.Work`), so that only what carries
the bytes differs. All end with the same books, or the benchmark fails.
"""
