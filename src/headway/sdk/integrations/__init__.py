"""Doors between the SDK and other people's libraries; each is loaded only when it is used."""
