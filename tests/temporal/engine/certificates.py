"""Certificates of an authority of the tests', and a door to a server that opens to whoever shows one of them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LOCALHOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


@dataclass(kw_only=True)
class TlsDoor:
    """Where the door is, and the names of those who came in."""

    address: str
    names: list[str] = field(default_factory=list)


class Authority:
    """Signs certificates; its own is ``ca.pem`` in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        built = self._begun("an authority", self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self.cert = folder / "ca.pem"
        self.cert.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(self, name: str) -> Certificate:
        """Sign a certificate for a name; it is good for this machine as a server too."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(LOCALHOST)), x509.DNSName("localhost")])
        signed = self._begun(name, key).add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        made = Certificate(cert=self._folder / f"{name}.pem", key=self._folder / f"{name}.key")
        made.cert.write_bytes(signed.public_bytes(Encoding.PEM))
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def _begun(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )


@contextlib.asynccontextmanager
async def tls_door(target: str, authority: Authority, *, asks_back: bool = True) -> AsyncIterator[TlsDoor]:
    """Open a TLS port in front of a server without TLS, while the block runs.

    Args:
        target: ``host:port`` of the server.
        asks_back: Whether clients have to show a certificate of the authority.
    """
    own = authority.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
    context.load_cert_chain(own.cert, own.key)
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED if asks_back else ssl.CERT_NONE
    door, inside = TlsDoor(address=""), set[asyncio.Task]()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            inside.add(task)
        shown = writer.get_extra_info("peercert") or {}
        door.names.extend(value for ((name, value),) in shown.get("subject", ()) if name == "commonName")
        host, _, port = target.rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(_pour(reader, inner_writer), _pour(inner_reader, writer))
        finally:
            for side in (writer, inner_writer):
                side.transport.abort()

    server = await asyncio.start_server(enter, LOCALHOST, 0, ssl=context)
    door.address = f"{LOCALHOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield door
    finally:
        server.close()
        for task in inside:
            task.cancel()
        await asyncio.gather(*inside, return_exceptions=True)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    writer.close()
