"""TLS connections in the middle of their streams, and one in the middle of its handshake, in memory."""
import os
import ssl

from common import held, noise, step

PEM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tls.pem")


class Connection:
    """Both ends of a TLS connection, over buffers that the program carries to and fro."""

    def __init__(self, version):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(PEM)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(PEM)
        client.check_hostname = False
        for context in (server, client):
            context.minimum_version = context.maximum_version = version
        self.to_server, self.to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(self.to_server, self.to_client, server_side=True)
        self.client = client.wrap_bio(self.to_client, self.to_server)
        self.ready = set()

    def handshake_once(self):
        for end in (self.client, self.server):
            try:
                end.do_handshake()
                self.ready.add(end)
            except ssl.SSLWantReadError:
                pass
        return len(self.ready) == 2


def main():
    stream = Connection(ssl.TLSVersion.TLSv1_3)
    old = Connection(ssl.TLSVersion.TLSv1_2)
    while not (stream.handshake_once() & old.handshake_once()):
        pass
    held(stream.client)
    step(stream.client.version(), stream.client.cipher()[0], old.client.version())
    numbers = noise(17)
    half_way = None
    for i in range(350):
        if i % 20 == 0:
            half_way = Connection(ssl.TLSVersion.TLSv1_3)
        if i % 20 == 10:
            half_way.handshake_once()
        if i % 20 == 19:
            while not half_way.handshake_once():
                pass
            half_way.server.write(b"new connection")
            step(half_way.client.read())
        message = b"%d " % next(numbers) * (i % 50 + 1)
        stream.client.write(message)
        if i % 3 == 2:  # what was sent waits, encrypted, in the buffer
            step(i, len(stream.server.read(1 << 20)), stream.server.read(20))
        old.server.write(message)
        step(i, old.client.read()[:40])


main()
