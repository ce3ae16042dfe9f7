"""The web page that enhances images in the browser, and its local server."""
