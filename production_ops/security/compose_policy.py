"""What every service of the resolved compose file must keep to: S14, S17 and S19 of the promises.

`docker compose config --format json` resolves it; each rule is a function over the plain document and gives what breaks
it, one line each. A one-shot service needs no healthcheck: `restart: "no"`, and awaited by another one or of the
profile `tools` alone, which no stack starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

Service = Mapping[str, Any]
Document = Mapping[str, Any]
Rule = Callable[[Document], list[str]]

PUBLISHING: Final = frozenset({"gateway"})
"""The services that may be reached from the host, each on loopback alone."""
_BY_HAND: Final = ["tools"]
"""The profiles of a service that runs a command when somebody asks for it."""
_SECRET_NAME: Final = re.compile(r"PASSWORD|SECRET|TOKEN|(ACCESS|PRIVATE|API)_KEY", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"://[^/\s:@]*:(?P<password>[^/\s@]+)@")
_EXACT_TAG: Final = re.compile(r"(:v?\d[\w.-]*|@sha256:[0-9a-f]{64})$")
_NO_NEW_PRIVILEGES: Final = frozenset({"no-new-privileges:true", "no-new-privileges"})
_ROOT: Final = frozenset({"", "0", "root"})


def runs_as_user(document: Document) -> list[str]:
    """No service runs as root or leaves it to the image."""
    return _each(document, lambda s: str(s.get("user", "")).split(":")[0] in _ROOT, "runs as root")


def root_is_read_only(document: Document) -> list[str]:
    """The root file system of a service cannot be written."""
    return _each(document, lambda s: s.get("read_only") is not True, "has a writable root")


def capabilities_are_dropped(document: Document) -> list[str]:
    """All capabilities are dropped, none is added, and none can be gained."""
    return [
        *_each(document, lambda s: s.get("cap_drop") != ["ALL"] or bool(s.get("cap_add")), "keeps capabilities"),
        *_each(
            document,
            lambda s: s.get("privileged") is True or not _NO_NEW_PRIVILEGES & set(s.get("security_opt", [])),
            "may gain privileges",
        ),
    ]


def limits_are_set(document: Document) -> list[str]:
    """Memory and the number of processes are bounded."""
    return [
        *_each(document, lambda s: int(s.get("mem_limit", 0)) <= 0, "has no memory limit"),
        *_each(document, lambda s: int(s.get("pids_limit", 0)) <= 0, "has no limit of processes"),
    ]


def health_is_checked(document: Document) -> list[str]:
    """A server has a healthcheck and comes back after a crash; a one-shot is awaited by somebody, or asked for."""
    awaited = {
        name
        for service in document["services"].values()
        for name, wait in service.get("depends_on", {}).items()
        if wait["condition"] == "service_completed_successfully"
    }
    found = []
    for name, service in document["services"].items():
        expected = name in awaited or service.get("profiles") == _BY_HAND
        if expected and service.get("restart") == "no":
            continue
        health = service.get("healthcheck", {})
        if health.get("disable") or not health.get("test") or health["test"] == ["NONE"]:
            found.append(f"{name} has no healthcheck")
        if service.get("restart") in (None, "no"):
            found.append(f"{name} stays down after a crash")
    return found


def images_are_exact(document: Document) -> list[str]:
    """Every image has an exact tag or digest."""
    return _each(document, lambda s: not _EXACT_TAG.search(s.get("image", "")), "has no exact image")


def ports_are_on_loopback(document: Document) -> list[str]:
    """Only the gateway is published, on loopback; nobody joins the host's network."""
    found = _each(document, _joins_another_network, "is in a network that is not the stack's")
    for name, service in document["services"].items():
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                found.append(f"{name} publishes {port['target']} beyond loopback")
            if name not in PUBLISHING:
                found.append(f"{name} publishes {port['target']}, which is the gateway's part")
    return found


def networks_are_internal(document: Document) -> list[str]:
    """Only a publishing service stands in a network that leads out of the stack."""
    open_networks = {
        name for name, network in document.get("networks", {}).items() if not (network or {}).get("internal")
    }
    return [
        f"{name} is in {network}, which leads out of the stack"
        for name, service in document["services"].items()
        if name not in PUBLISHING and not _has_no_network_of_its_own(service)
        for network in (service.get("networks") or {"default": None})
        if network in open_networks or network == "default"
    ]


def host_is_out_of_reach(document: Document) -> list[str]:
    """No engine socket, no device and no folder of the host is mounted."""
    return [
        *(
            f"{name} mounts {volume.get('source', '?')} of the host"
            for name, service in document["services"].items()
            for volume in service.get("volumes", [])
            if volume["type"] == "bind"
        ),
        *_each(document, lambda s: bool(s.get("devices")), "has a device of the host"),
        *_each(document, lambda s: s.get("pid") == "host" or s.get("ipc") == "host", "shares the host's namespace"),
    ]


def secrets_are_generated(document: Document, generated: Collection[str]) -> list[str]:
    """Whatever is called a secret, and whatever stands in a URL as a password, is one that the first start made."""
    return [
        f"{name} has a literal secret in {key}"
        for name, service in document["services"].items()
        for key, value in _secrets_of(service)
        if value not in generated
    ]


def _joins_another_network(service: Service) -> bool:
    mode = service.get("network_mode")
    return mode is not None and not _has_no_network_of_its_own(service)


def _has_no_network_of_its_own(service: Service) -> bool:
    """No network at all, or the one of another service, which is judged there."""
    mode = str(service.get("network_mode", ""))
    return mode == "none" or mode.startswith("service:")


def _secrets_of(service: Service) -> Iterator[tuple[str, str]]:
    for key, value in (service.get("environment") or {}).items():
        text = "" if value is None else str(value)
        if _SECRET_NAME.search(key):
            yield key, text
        for match in _URL_PASSWORD.finditer(text):
            yield key, match["password"]
    words = [*(service.get("command") or []), *(service.get("entrypoint") or [])]
    for word in words:
        for match in _URL_PASSWORD.finditer(word):
            yield "its command", match["password"]


def _each(document: Document, breaks: Callable[[Service], bool], words: str) -> list[str]:
    return [f"{name} {words}" for name, service in document["services"].items() if breaks(service)]
