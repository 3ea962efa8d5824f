"""What a person asks of a running trader from a terminal: `status`, `orders`, `positions`, `halt`, `resume`.

They speak the same authenticated API as the console. `halt` alone has a second way: where the trader does not answer, this
process writes the halt down for it and cancels at the venue itself.
Never: an order; a milder mode by any way but the trader's own.
"""
