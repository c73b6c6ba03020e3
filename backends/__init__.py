"""Backends: `base` is the protocol, one package each implements it. Installed as `netlang.backends`."""
