"""Who asks: bearer tokens, of the configuration's own or of an issuer, as principals."""
