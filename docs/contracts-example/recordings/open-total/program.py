"""What all open orders come to, in cents."""

orders = await shop.list_orders(status="open", limit=100)
sum(order.total for order in orders)
