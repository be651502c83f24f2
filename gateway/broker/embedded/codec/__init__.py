"""MQTT 3.1, 3.1.1 and 5 as bytes: packets, how they are read and written, and what they may say."""
