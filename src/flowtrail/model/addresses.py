"""Which addresses mean this machine alone."""


def is_loopback(host: str) -> bool:
    """Whether a host name or literal address means this machine alone; never resolves a name."""
    import ipaddress  # 5 ms that a host application need not pay before it has to know

    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
