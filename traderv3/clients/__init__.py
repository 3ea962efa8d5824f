"""The only room with sockets to the venue.

`door` decides what may be reached at all; `transport` is the WebSocket, `rest` the HTTP client behind it;
`orderbook_connector` owns the market-data connection and its books, `discovery` finds markets and watches the exchange's
own status. `kalshi_demo_client` is the only door of `paper`.

Never: a trading decision; a redirect followed; a proxy, a netrc or a certificate file taken from the surroundings.
"""
