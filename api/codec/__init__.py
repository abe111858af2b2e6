"""The codec server of Temporal's Web UI and command line: shows operators what payloads hold."""
