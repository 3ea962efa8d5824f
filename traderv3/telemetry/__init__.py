"""What the trader says about itself: metrics, health, the structured log, Prometheus.

`log` opens the log (`log_redaction` keeps secrets out, `log_writer` writes without anybody waiting, `log_file`
rotates, `log_text` is how a person reads it), `logs_command` is `traderv3 logs`.

Never: a decision. Everything here may be slow, full or broken without a trade noticing.
"""
