"""What bridges on the HTTP port share: WebSockets, the door with its sign-in, values that devices
name freely.
"""
