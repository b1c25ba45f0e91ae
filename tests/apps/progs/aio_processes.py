"""asyncio with subprocesses (pidfds in an epoll set), Unix and TCP streams between tasks of this process."""

import asyncio
import sys

ECHO = "import sys\nfor line in sys.stdin:\n    print(line.strip()[::-1], flush=True)\n"


async def served(reader, writer):
    while line := await reader.readline():
        writer.write(b"<" + line.strip() + b">\n")
        await writer.drain()
    writer.close()


async def main():
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", ECHO, stdin=asyncio.subprocess.PIPE,
                                                 stdout=asyncio.subprocess.PIPE)
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for n in range(300):
        child.stdin.write(b"line %d\n" % n)
        await child.stdin.drain()
        back = (await child.stdout.readline()).strip()
        writer.write(back + b"\n")
        await writer.drain()
        print((await reader.readline()).decode().strip(), flush=True)
        if n % 20 == 0:
            short = await asyncio.create_subprocess_exec("sh", "-c", "exit %d" % (n % 7))
            print("exit", await short.wait(), flush=True)
        await asyncio.sleep(0.002)
    writer.close()
    child.stdin.close()
    print("end", await child.wait())
    server.close()
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
