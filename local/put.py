"""Sets a secret as `az keyvault secret set --file` does, for a machine without the Azure CLI.

python -m local.put my-server.der --lists trust --clusters 'site=hamburg' [--encoding hex] [--name my-server-der]
"""

from __future__ import annotations

import argparse
import base64
import os
from pathlib import Path

from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from sync.fleet.lists import DEFAULT_LISTS
from sync.fleet.vaults import parse_vaults

CONTENT_TYPES = {".der": "application/pkix-cert", ".crl": "application/pkix-crl"}


def encoded(data: bytes, encoding: str) -> str:
    """The text that the Azure CLI makes of a file's bytes."""
    match encoding:
        case "hex":
            return data.hex()
        case "base64":
            return base64.encodebytes(data).decode()
        case _:
            return data.decode(encoding)


def main() -> None:
    """Set one secret in the first watched vault of the environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", help="the secret's name; default: the file's name with - for .")
    parser.add_argument("--encoding", default="hex", choices=["hex", "base64", "utf-8"])
    parser.add_argument("--lists", help="tag trustcast-lists")
    parser.add_argument("--clusters", help="tag trustcast-clusters")
    chosen = parser.parse_args()
    vault, *_ = parse_vaults(os.environ["TRUSTCAST_VAULTS"], DEFAULT_LISTS)
    tags = {"file-encoding": chosen.encoding}
    tags |= {"trustcast-lists": chosen.lists} if chosen.lists else {}
    tags |= {"trustcast-clusters": chosen.clusters} if chosen.clusters else {}
    with SecretClient(vault.url, DefaultAzureCredential()) as client:
        secret = client.set_secret(
            chosen.name or chosen.file.name.replace(".", "-"),
            encoded(chosen.file.read_bytes(), chosen.encoding),
            content_type=CONTENT_TYPES.get(chosen.file.suffix, "application/x-pem-file"),
            tags=tags,
        )
    print(secret.id)


if __name__ == "__main__":
    main()
