"""Protocol bridges: each translates one outside protocol to and from the core."""
