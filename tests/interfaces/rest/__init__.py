"""Tests of the HTTP interfaces against a real server."""
