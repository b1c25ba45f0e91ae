"""subprocess: a pipeline that lives long, and many short processes beside it."""

import subprocess
import sys

FILTER = "import sys\nfor line in sys.stdin:\n    n = int(line)\n    print(n * n, flush=True)\n"

if __name__ == "__main__":
    first = subprocess.Popen([sys.executable, "-c", FILTER], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    second = subprocess.Popen(["sed", "-u", "s/^/square /"], stdin=first.stdout, stdout=subprocess.PIPE,
                              text=True)
    first.stdout.close()
    for n in range(2000):
        first.stdin.write("%d\n" % n)
        first.stdin.flush()
        line = second.stdout.readline().strip()
        if n % 5 == 0:
            line += " " + subprocess.run(["sh", "-c", "echo $((%d * 2)); exit 0" % n], check=True, text=True,
                                         capture_output=True).stdout.strip()
        print(line, flush=True)
    first.stdin.close()
    print(first.wait(), second.stdout.read() == "", second.wait())
