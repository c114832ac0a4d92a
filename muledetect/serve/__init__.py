"""The service: score a payment as it arrives, book it, take events, and find money, over HTTP. Needs the extra `serve`."""
