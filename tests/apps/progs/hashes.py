"""Contexts of hashlib, hmac, zlib, bz2 and lzma, fed piece by piece: their state is inside libraries."""
import bz2
import hashlib
import hmac
import lzma
import zlib

from common import held, noise, step


def main():
    hashes = [hashlib.new(n) for n in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b")]
    mac = hmac.new(b"key", digestmod="sha256")
    packers = [zlib.compressobj(9), bz2.BZ2Compressor(), lzma.LZMACompressor()]
    packed = [b""] * 3
    numbers = noise(13)
    held(hashes[2])
    for i in range(400):
        piece = b"%d " % next(numbers) * 20
        for h in hashes:
            h.update(piece)
        mac.update(piece)
        for k, p in enumerate(packers):
            packed[k] += p.compress(piece)
        step(i, hashes[i % 6].copy().hexdigest()[:16], mac.hexdigest()[:16], len(packed[0]))
    for k, p in enumerate(packers):
        packed[k] += p.flush()
        step(hashlib.sha256(packed[k]).hexdigest())


main()
