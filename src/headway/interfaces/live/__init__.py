"""What a browser watches: the stream of changes and the plain page that shows it."""
