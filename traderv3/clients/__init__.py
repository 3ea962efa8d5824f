"""The only room with sockets to the venue.

`door` decides what may be reached at all; `transport` is the WebSocket, `rest` the HTTP client behind it;
`orderbook_connector` owns the market-data connection and its books, `discovery` finds markets and watches the exchange's
own status. `kalshi_demo_client` is the only door of `paper`.
Orders: `order_rest` is the only way to change anything and needs a permit, `order_gateway` the actor in front of it,
`order_groups` the venue's dead man's switch, `order_sweep` a halt until it is certain; `account_connector` and
`account_reads` hear and read what became of it all.

Never: a trading decision; a redirect followed; a proxy, a netrc or a certificate file taken from the surroundings.
"""
