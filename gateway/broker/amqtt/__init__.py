"""What the amqtt engine puts around amqtt 0.12: its streams, its reader loop, its delivery.

Every reach into an amqtt private stands in `broker.py` or `handler.py` under a comment that begins
"amqtt 0.12:".
"""
