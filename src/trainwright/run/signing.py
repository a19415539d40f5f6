"""Who vouches for a manifest: an Ed25519 signature beside it, made and checked with the cryptography package.

The signature covers `_PURPOSE` and the manifest's bytes, and the manifest holds the hash of every file. A key pair:
``openssl genpkey -algorithm ed25519 -out key.pem`` and ``openssl pkey -in key.pem -pubout -out key.pub.pem``.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused, ResourceMissing, missing_extra
from trainwright.run.files import read_json, write_json
from trainwright.run.manifest import MANIFEST, SIGNATURE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PURPOSE = b"trainwright manifest 1\n"  # so that no signature for another purpose passes for one of these
_LARGEST_KEY = 10_000  # bytes; a PEM file of this kind has about 120


def sign(folder: Path, key: Path) -> str:
    """Sign the manifest in a hand-off folder with a private key (PEM); returns the public key in hex.

    Raises:
        ArtifactRefused: the file is no Ed25519 private key without a password.
        ResourceMissing: the file cannot be read, or the package ``cryptography`` is not installed.
    """
    private = _private_key(key)
    public: str = private.public_key().public_bytes_raw().hex()
    signature = private.sign(_PURPOSE + (folder / MANIFEST).read_bytes()).hex()
    write_json(folder / SIGNATURE, {"algorithm": "ed25519", "public_key": public, "signature": signature})
    return public


def check_signature(folder: Path, key: Path) -> str:
    """Check the signature of the manifest in a hand-off folder against a public key (PEM); returns that key in hex.

    Raises:
        ArtifactRefused: there is no signature, or it is not of this key over these bytes.
        ResourceMissing: the key cannot be read, or the package ``cryptography`` is not installed.
    """
    public = _public_key(key)
    if not (folder / SIGNATURE).is_file():
        raise ArtifactRefused(f"{folder / MANIFEST} is not signed, and --key asks for a signature")
    from cryptography.exceptions import InvalidSignature

    try:
        signature = bytes.fromhex(str(read_json(folder / SIGNATURE).get("signature")))
        public.verify(signature, _PURPOSE + (folder / MANIFEST).read_bytes())
    except (ValueError, InvalidSignature) as error:
        raise ArtifactRefused(
            f"{folder / SIGNATURE} is no signature of {key.name} over {MANIFEST}: it was changed after it was "
            "signed, or somebody else signed it"
        ) from error
    signer: str = public.public_bytes_raw().hex()
    return signer


def _private_key(path: Path) -> "Ed25519PrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise missing_extra("cryptography", "sign") from error
    try:
        key = load_pem_private_key(_content(path), password=None)
    except (ValueError, TypeError) as error:
        raise ArtifactRefused(f"{path} is no private key in PEM without a password: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ArtifactRefused(f"{path} holds a key of another kind. Make one: openssl genpkey -algorithm ed25519")
    return key


def _public_key(path: Path) -> "Ed25519PublicKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise missing_extra("cryptography", "sign") from error
    try:
        key = load_pem_public_key(_content(path))
    except ValueError as error:
        raise ArtifactRefused(f"{path} is no public key in PEM: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ArtifactRefused(f"{path} holds a key of another kind; an Ed25519 public key is needed")
    return key


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_KEY)
    except OSError as error:
        raise ResourceMissing(f"cannot read the key {path}: {error.strerror or error}") from error
