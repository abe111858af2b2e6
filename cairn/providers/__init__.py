"""What the outside world provides: language models, the web. A protocol, a registry and one file each."""
